"""Our ALDI and DropoutNet on the backbone of ColdRec: on the vectors that its MF left in a work folder of `coldrec.py`.

`python benchmarks/coldrec_backbone.py WORK --data DATA [--seed 1] [--json]`, after `benchmarks/coldrec.py COLDREC
--models MF --work WORK`. Ours stand on ALS; here the same code, features, seed and settings stand on the public code's
BPR too, whose scores are logits already, so that ALDI does not scale them. One thread. Legend: U users, T papers, F
factors.
"""

from __future__ import annotations

import os

# Before anything imports numpy: what is timed must run on one thread.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from benchmarks.coldrec import BACKBONE, HEAD, Question, Row, ask, ours
from methods import aldi, dropoutnet
from methods.als import LearntALS
from methods.base import Method

Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]  # of users (U, F), of papers (T, F)


def read(work: Path, question: Question) -> Vectors:
    """Return the backbone's vectors; a cold paper has none, as with ours."""
    path = work / f"{BACKBONE}.npz"
    if not path.exists():
        raise SystemExit(f"{path}: expected the vectors that benchmarks/coldrec.py --models MF --work {work} leaves")
    with np.load(path) as arrays:
        users_UF, items_TF = arrays["users_UF"], arrays["items_TF"]
    items_TF[question.case.cut.cold_ids] = 0
    return users_UF, items_TF


def run(question: Question, name: str, method: Method, *, seed: int) -> Row:
    """Fit a method, judge its lists, and time both."""
    begun = time.process_time()
    figures = ours(question, method, seed=seed)
    return Row(name, figures, cpu_seconds=time.process_time() - begun)


def on(vectors: Vectors, question: Question, name: str, method: Method, *, seed: int) -> Row:
    """Fit a method that finds these vectors where ALS would have learnt its own."""
    learn = LearntALS.learn

    def taught(*words: Any, **named: Any) -> LearntALS:
        learnt = learn(*words, **named)
        learnt.model.user_factors, learnt.model.item_factors = vectors
        return learnt

    with patch.object(LearntALS, "learn", taught):
        return run(question, name, method, seed=seed)


def main() -> None:
    """Run both on both, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    folder = os.environ.get("COLDRECALL_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="recorded datasets")
    parser.add_argument("--seed", type=int, default=1, help="of our methods")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    question = ask(given.data)
    vectors = read(given.work, question)
    print(HEAD)
    rows = []
    for name, own, other in (
        ("aldi/base", aldi.ALDI(aldi.BASE), aldi.ALDI(replace(aldi.BASE, teacher_scale=1.0))),
        ("dropoutnet/base", dropoutnet.DropoutNet(dropoutnet.BASE), dropoutnet.DropoutNet(dropoutnet.BASE)),
    ):
        rows.append(run(question, f"{name} on ALS", own, seed=given.seed))
        print(rows[-1], flush=True)
        rows.append(on(vectors, question, f"{name} on BPR", other, seed=given.seed))
        print(rows[-1], flush=True)
    if given.json:
        print(json.dumps({name: value for row in rows for name, value in row.named().items()}))


if __name__ == "__main__":
    main()
