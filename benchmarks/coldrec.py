"""ColdRec's models beside ours on the cold papers of CiteULike: same split, features of tags, masks and metrics.

`python benchmarks/coldrec.py COLDREC --data DATA --models MF,CLCRec,DropoutNet,ALDI [--epochs N --seconds N --json]`
COLDREC is a checkout of github.com/YuanchenBei/ColdRec, of which nothing is copied here; DATA holds recorded datasets.
Its models, losses, samplers, defaults and rule of stopping are its own. What it loads is written into a folder
(`--work`, else a temporary one); its scores of all papers are ranked and judged as ours are. DropoutNet and ALDI stand
on MF, trained before them in this run or in that folder. A model is cut after the epoch that ends past `--seconds` of
CPU and keeps its best epoch until then. One thread. Legend: U users, T papers, E events, Q requests, K places.
"""

from __future__ import annotations

import os

# Before anything imports numpy: what is timed must run on one thread.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import pickle
import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from bench.case import Case, Opener
from bench.exam import Exam, exam_of
from bench.importers import find_importer
from bench.measure import BATCH, recommend_all
from bench.parity import CITEULIKE, RECORDS, cached
from bench.prepare import Source
from bench.run import RECORDED, case_key_of, method_key_of, recorded_at
from bench.score import check_and_score
from bench.stats import mean_interval
from bench.tasks import find_task
from bench.truth import recorded_truth
from methods.base import Budget, Method
from methods.features import FeatureConfig, Features
from methods.ranking import rank
from methods.registry import create
from simulator.luck import generator
from simulator.schema import Observation, Requests

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("cold_only_recall@20", "cold_only_ndcg@20", "cold_recall@20", "recall@20")
OURS = ("clcrec/base", "dropoutnet/base", "aldi/base")  # of the kept records, at their first settings
DATASET, BACKBONE = "citeulike", "MF"
TRAIN, VALIDATION, TEST = 0, 1, 2  # the times of the recorded events
HEAD = f"{'':28}{''.join(f'{name:>21}' for name in SHOWN)}{'epochs':>8}{'best':>6}{'ended':>11}{'CPU s':>8}"
Lists = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Question:
    """The task as it is asked: all events, what a fit sees, the requests, and the answers."""

    whole: Observation
    case: Case
    exam: Exam

    @property
    def seen(self) -> Observation:
        """What a fit sees."""
        return self.case.cut.fit

    def judged(self, ids_QK: Lists, cold_ids_QK: Lists) -> dict[str, float]:
        """Return the means of what is shown, of lists from all papers and from cold ones alone."""
        values = check_and_score(self.case.task, self.exam, ids_QK, cold_ids_QK, None)
        means = {name: mean_interval(values[name]).mean for name in SHOWN}
        return {name: float("nan") if mean is None else mean for name, mean in means.items()}


@dataclass(frozen=True)
class Allowance:
    """When a model is cut."""

    epochs: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """A line of the table: how good, how long, and how it ended."""

    name: str
    figures: dict[str, float]
    epochs: int | None = None
    best: int | None = None
    stopped: bool | None = None
    cpu_seconds: float | None = None

    def __str__(self) -> str:
        spent = "" if self.cpu_seconds is None else f"{self.cpu_seconds:.0f}"
        end = "" if self.stopped is None else "by itself" if self.stopped else "cut"
        scores = "".join(f"{self.figures[name]:21.4f}" for name in SHOWN)
        return f"{self.name:28}{scores}{self.epochs or '':>8}{self.best or '':>6}{end:>11}{spent:>8}"

    def named(self) -> dict[str, float]:
        """Return all figures by name."""
        told = {"epochs": self.epochs, "best epoch": self.best, "stopped": self.stopped, "CPU s": self.cpu_seconds}
        given = {name: float(value) for name, value in told.items() if value is not None}
        return {f"{self.name} {name}": value for name, value in (self.figures | given).items()}


def ask(data: Path) -> Question:
    """Read CiteULike and ask the task as a run does."""
    task = find_task(CITEULIKE)
    recorded = find_importer(RECORDED[task.source])(recorded_at(data, task.source), {})
    whole = recorded.observation
    case = Opener(whole, key=case_key_of(Source(task.source, ""))).open(task)
    return Question(whole, case, exam_of(case, recorded_truth(case, whole)))


def write(question: Question, work: Path) -> None:
    """Write the split and the features as ColdRec's loader reads them; ids are ours.

    What is overall are, as there, the users who have both a warm and a cold paper in that part.
    """
    folder = work / "data" / DATASET / "cold_item"
    folder.mkdir(parents=True, exist_ok=True)
    (work / "emb").mkdir(exist_ok=True)
    events = question.whole.events
    pairs_E2 = np.stack([events.user_E, events.note_E], axis=1)
    cold_E = np.isin(events.note_E, question.case.cut.cold_ids)
    parts = {"warm_train": pairs_E2[events.time_E == TRAIN]}
    for part, at in (("val", VALIDATION), ("test", TEST)):
        warm_E2, cold_E2 = pairs_E2[(events.time_E == at) & ~cold_E], pairs_E2[(events.time_E == at) & cold_E]
        both = np.intersect1d(warm_E2[:, 0], cold_E2[:, 0])
        all_E2 = np.concatenate([cold_E2, warm_E2])
        parts |= {f"warm_{part}": warm_E2, f"cold_item_{part}": cold_E2}
        parts[f"overall_{part}"] = all_E2[np.isin(all_E2[:, 0], both)]
    for name, rows_E2 in parts.items():
        np.savetxt(folder / f"{name}.csv", rows_E2, fmt="%d", delimiter=",", header="user,item", comments="")
    catalog, train_E2, cold_E2 = question.whole.catalog, parts["warm_train"], pairs_E2[cold_E]
    warm = {"warm_user": train_E2[:, 0], "warm_item": train_E2[:, 1]}
    ids = warm | {"cold_user": cold_E2[:, 0], "cold_item": cold_E2[:, 1]}
    told = {"user_num": len(catalog.users), "item_num": len(catalog.notes)}
    info = told | {name: np.unique(column) for name, column in ids.items()}
    (folder / "info_dict.pkl").write_bytes(pickle.dumps(info))
    rng = generator(method_key_of(1), "features")
    features = Features.learn(question.seen, FeatureConfig(), target="note", rng=rng)
    np.save(folder.parent / f"{DATASET}_item_content.npy", features.of(question.seen))


class _Cut(Exception):
    """A model has had its time."""


def train(checkout: Path, work: Path, model: str, allowance: Allowance) -> None:
    """Let ColdRec train a model as its main.py does, in a process of its own; leave its scores and how it went."""
    os.chdir(work)
    sys.path.insert(0, str(checkout))
    sys.dont_write_bytecode = True
    sys.argv = ["main.py", "--dataset", DATASET, "--model", model, "--epochs", str(allowance.epochs)]
    with Path(f"{model}.log").open("w", buffering=1) as log, redirect_stdout(log):
        theirs = import_module("main")
        args = theirs.parse_args()
        config = theirs.Config(args)
        theirs.set_seed(args.seed, args.use_gpu)
        trainer = theirs.model_factory(config)
        epochs = _watched(trainer, allowance.seconds)
        begun = time.process_time()
        try:
            trainer.train()
        except _Cut:
            best = {name.removeprefix("best_"): of for name, of in vars(trainer).items() if name.startswith("best_")}
            vars(trainer).update(best)
            for name, vectors in best.items():  # where the end of its training would have put them
                torch.save(vectors, f"emb/{DATASET}_cold_item_{model}_{name}.pt")
        spent = time.process_time() - begun
        np.save("scores.npy", _scores(trainer))
        if model == BACKBONE:
            users_UF, items_TF = _vectors(trainer)
            np.savez(f"{model}.npz", users_UF=users_UF, items_TF=items_TF)
    stopped = bool(trainer.early_stop_flag and trainer.early_stop_patience <= 0)
    went = {"epochs": epochs[-1], "best": trainer.bestPerformance[0], "stopped": stopped, "cpu_seconds": spent}
    Path(f"{model}.json").write_text(json.dumps(went))


def _watched(trainer: Any, seconds: float) -> list[int]:
    """Return a list that grows by each epoch evaluated; the one past the time is the last."""
    begun, epochs, evaluate = time.process_time(), list[int](), trainer.fast_evaluation

    def then(epoch: int, **kind: str) -> Any:
        found = evaluate(epoch, **kind)
        epochs.append(epoch + 1)
        if time.process_time() - begun > seconds and trainer.early_stop_patience > 0:
            raise _Cut
        return found

    trainer.fast_evaluation = then
    return epochs


def _scores(trainer: Any) -> NDArray[np.float32]:
    """Return the scores (U, T) in our ids, -inf for what is in none of its parts."""
    data = trainer.data
    users, items = list(data.user), list(data.item)  # in the order of its own ids
    scores_UT = np.full((data.user_num, data.item_num), -np.inf, np.float32)
    for first in range(0, len(users), BATCH):
        some = users[first : first + BATCH]
        made = torch.as_tensor(trainer.batch_predict(some)).detach().cpu().numpy()
        scores_UT[np.ix_(some, items)] = made[:, : len(items)]
    return scores_UT


def _vectors(trainer: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the vectors of users and papers in our ids, zeros for what is in none of its parts."""
    data, found = trainer.data, []
    for ids, n, rows in ((data.user, data.user_num, trainer.user_emb), (data.item, data.item_num, trainer.item_emb)):
        made_RF = rows.detach().cpu().numpy()
        found.append(np.zeros((n, made_RF.shape[1]), np.float32))
        found[-1][list(ids)] = made_RF[: len(ids)]
    return found[0], found[1]


def lists(scores_UT: NDArray[np.float32], requests: Requests, *, k: int) -> Lists:
    """Return the best unseen candidates of each request, (Q, K)."""
    found = []
    for first in range(0, len(requests), BATCH):
        batch = requests.between(first, min(first + BATCH, len(requests)))
        found.append(rank(np.asarray(scores_UT[batch.ids_Q]), batch, k=k).ids_QK)
    return np.concatenate(found)


def theirs(question: Question, places: tuple[Path, Path], model: str, allowance: Allowance) -> Row:
    """Train a model of the checkout in the work folder and judge its scores."""
    checkout, work = places
    child = get_context("spawn").Process(target=train, args=(checkout, work, model, allowance))
    child.start()
    child.join()
    if child.exitcode != 0:
        raise RuntimeError(f"{model}: expected it to train, got exit code {child.exitcode}; see {work / model}.log")
    return Row(f"ColdRec {model}", scored(question, work), **json.loads((work / f"{model}.json").read_text()))


def scored(question: Question, work: Path) -> dict[str, float]:
    """Judge the scores that a model left."""
    scores_UT, case, k = np.load(work / "scores.npy", mmap_mode="r"), question.case, max(question.case.task.ks)
    assert case.cold_only is not None
    return question.judged(lists(scores_UT, case.requests, k=k), lists(scores_UT, case.cold_only, k=k))


def ours(question: Question, method: Method, *, seed: int) -> dict[str, float]:
    """Fit a method of ours to the same question and judge its lists."""
    case, k = question.case, max(question.case.task.ks)
    assert case.cold_only is not None
    method.fit(question.seen, target="note", rng=generator(method_key_of(seed), "fit"), budget=Budget())
    method.index(case.cut.index)
    return question.judged(*(recommend_all(method, asked, k=k)[0] for asked in (case.requests, case.cold_only)))


def kept(names: tuple[str, ...]) -> list[Row]:
    """Return what the kept records say of our methods."""
    records = {record.method: record for record in cached(ROOT / RECORDS) if record.task == CITEULIKE}
    found = {name: records[name].metrics for name in names if name in records}
    means = {name: {at: np.asarray(of[at].mean, float).item() for at in SHOWN} for name, of in found.items()}
    return [Row(f"ours, {name}, kept", figures) for name, figures in means.items()]


def main() -> None:
    """Write, train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    folder = os.environ.get("COLDRECALL_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="recorded datasets")
    parser.add_argument("--models", default="MF,CLCRec,DropoutNet,ALDI")
    parser.add_argument("--epochs", type=int, default=500, help="at most; 500 is ColdRec's own")
    parser.add_argument("--seconds", type=float, default=2_400, help="CPU seconds of a model")
    parser.add_argument("--work", type=Path, help="a folder that stays, with backbones of an earlier run")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    question = ask(given.data)
    neighbours = Row("ours, content-knn", ours(question, create("content-knn"), seed=1))  # must come out as kept
    rows = [*kept(("content-knn", *OURS)), neighbours]
    print(HEAD, *rows, sep="\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="coldrec-") as scratch:
        work = Path(given.work or scratch).resolve()
        write(question, work)
        for model in given.models.split(","):
            allowance = Allowance(given.epochs, given.seconds)
            rows.append(theirs(question, (given.checkout.resolve(), work), model, allowance))
            print(rows[-1], flush=True)
    if given.json:
        print(json.dumps({name: value for row in rows for name, value in row.named().items()}))


if __name__ == "__main__":
    main()
