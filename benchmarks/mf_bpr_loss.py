"""The training loss of `mf-bpr` on Gowalla, epoch by epoch: what tells its dropout and regularization from print's log.

`python benchmarks/mf_bpr_loss.py --data DATA --settings 0.2:1e-7,0.25:0 --epochs 5 [--json]`, a setting being
dropout:regularization. The loss is what is minimised, regularization included, averaged over every twentieth batch of
an epoch. No recall is looked at. An epoch takes 45 CPU seconds. Legend: U users, T targets,
F factors, P clicks of a batch, S drawn targets.
"""

from __future__ import annotations

import os

# Before anything imports numpy: what is timed must run on one thread.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from bench.case import Opener
from bench.importers import find_importer
from bench.parity import GOWALLA
from bench.run import RECORDED, recorded_at
from bench.tasks import find_task
from methods import mf_bpr
from methods.interactions import Sparse, binary, clicks

# By MF-BPR_gowalla_x0 of Open-CF-Benchmarks.
PRINTED = (0.594, 0.386, 0.222, 0.139, 0.103, 0.085, 0.075, 0.070, 0.066, 0.063)
EVERY = 20


def training_clicks(data: Path) -> Sparse:
    """Return what a fit on the task sees."""
    task = find_task(GOWALLA)
    whole = find_importer(RECORDED[task.source])(recorded_at(data, task.source), {}).observation
    return binary(clicks(Opener(whole, key=0).open(task).cut.fit, target=task.target))


def losses(clicks_UT: Sparse, config: mf_bpr.MFBPRConfig) -> Iterator[float]:
    """Yield the mean loss of each epoch."""
    add_slope, read, n_batches = mf_bpr.add_slope, list[float](), 0

    def heard(*batch: Any) -> None:
        nonlocal n_batches
        user_P, target_P, drawn_PS, kept_PF, users_UF, items_TF = batch[:6]
        if n_batches % EVERY == 0:
            lead_PSF = items_TF[drawn_PS] - items_TF[target_P][:, None]
            lead_PS = ((users_UF[user_P] * kept_PF)[:, None] * lead_PSF).sum(axis=2)
            length = sum(float(np.square(side).sum()) for side in (users_UF, items_TF))
            read.append(float(np.logaddexp(0, lead_PS).mean()) + config.regularization / 2 * length)
        n_batches += 1
        add_slope(*batch)

    with patch.object(mf_bpr, "add_slope", heard):
        for _ in mf_bpr.descend(clicks_UT, config, rng=np.random.default_rng(0)):
            yield float(np.mean(read))
            read.clear()


def main() -> None:
    """Train with each setting and print its losses beside print's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("COLDRECALL_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="recorded datasets")
    parser.add_argument("--settings", default="0.2:1e-7", help="dropout:regularization, comma-separated")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    clicks_UT, named = training_clicks(given.data), dict[str, float]()
    print(f"{'print':12}", *(f"{loss:.3f}" for loss in PRINTED[: given.epochs]))
    for setting in given.settings.split(","):
        dropout, regularization = map(float, setting.split(":"))
        config = mf_bpr.MFBPRConfig(dropout=dropout, regularization=regularization, epochs=given.epochs, last_epochs=0)
        print(f"{setting:12}", end="", flush=True)
        for epoch, loss in enumerate(losses(clicks_UT, config), 1):
            print(f" {loss:.3f}", end="", flush=True)
            named[f"{setting} after {epoch}"] = loss
        print()
    if given.json:
        print(json.dumps(named))


if __name__ == "__main__":
    main()
