"""What a ranker is given of a method's vectors or codes: as slow references count it, and worth what they know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.answer import Answer, Description, Said, pack, unpack
from bench.described import LATEST_CLICKS, NEAREST, Past, check_description, description_columns
from bench.exam import load
from bench.plan import Plan
from bench.probe import Impressions, cross_fitted, probe_description
from bench.record import ResultRecord
from bench.report.columns import columns_of
from bench.report.loading import load_run
from bench.report.summary import summarise
from bench.run import run
from bench.tasks import TASKS
from simulator.dataset import read
from tests.waiting import quiet

N_USERS, N_NOTES = 300, 120
RNG = np.random.default_rng(4)
BAD = "tests.bad_methods"
PROBE = "rank-probe/u2n@v1"
BROKEN = [
    ("DescribesFew", "describe: expected shape ("),
    ("DescribesNothing", "describe: expected finite numbers"),
    ("DescribesInWords", "describe: expected an array, float32 (T, D) or int32 (T, L), got float64("),
    ("DescribesInALine", "describe: expected an array, float32 (T, D) or int32 (T, L), got str"),
]


def planted(*, seed: int = 4) -> tuple[Impressions, Past, np.ndarray]:
    """Return a window and a past in which users click what lies near a taste of theirs, and where notes lie."""
    rng = np.random.default_rng(seed)
    taste_UD, place_ND = rng.normal(size=(N_USERS, 4)), rng.normal(size=(N_NOTES, 4))

    def seen(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = np.repeat(np.arange(N_USERS, dtype=np.int32), n)
        note = rng.integers(N_NOTES, size=len(row)).astype(np.int32)
        odds = 1.5 * (taste_UD[row] * place_ND[note]).sum(axis=1) - 1
        return row, note, rng.random(len(row)) < 1 / (1 + np.exp(-odds))

    row_I, note_I, click_I = seen(12)
    row_H, note_H, click_H = seen(60)
    order = rng.permutation(len(row_H))  # in order of time users are mixed
    row_H, note_H, click_H = row_H[order], note_H[order], click_H[order]
    n_shown_N = np.bincount(note_H, minlength=N_NOTES)
    past = Past(row_H, note_H, click_H, n_shown_N, np.bincount(note_H[click_H], minlength=N_NOTES))
    columns_IX = rng.normal(size=(len(row_I), 2)).astype(np.float32)
    return Impressions(row_I, note_I, click_I, note_I < 30, columns_IX), past, place_ND.astype(np.float32)


SHOWN, PAST, PLACE_ND = planted()
LIFTED = np.array([[1, 0], [0, 2], [3, 3], [0, 0]], np.float32)


def gaucs(described: Description, shown: Impressions = SHOWN, past: Past = PAST) -> tuple[float, float]:
    assert described is not None
    all_, cold = probe_description(description_columns(described, shown, past), shown)
    return all_.gauc, cold.gauc


def slow_vectors(vectors: np.ndarray, i: int) -> list[float]:
    def cosine(a: int, b: int) -> float:
        length = np.linalg.norm(vectors[a]) * np.linalg.norm(vectors[b])
        return float(vectors[a] @ vectors[b] / length) if length > 0 else 0.0

    note = int(SHOWN.note_I[i])
    clicked = [n for r, n, c in zip(PAST.row_H, PAST.note_H, PAST.click_H, strict=True) if r == SHOWN.row_I[i] and c]
    clicked = clicked[-LATEST_CLICKS:]
    units = [vectors[n] / (np.linalg.norm(vectors[n]) or 1) for n in clicked]
    mean = np.mean(units, axis=0) if units else np.zeros(vectors.shape[1])
    towards = float(vectors[note] @ mean / ((np.linalg.norm(vectors[note]) * np.linalg.norm(mean)) or 1))
    others = [n for n in range(N_NOTES) if n != note and PAST.n_shown_N[n] and vectors[n].any()]
    cosines = {n: round(cosine(note, n), 4) for n in others} if vectors[note].any() else {}
    last = sorted(cosines.values(), reverse=True)[:NEAREST][-1:]
    near = [n for n in cosines if cosines[n] >= last[0]]
    n_shown, n_clicked = sum(PAST.n_shown_N[near]), sum(PAST.n_clicked_N[near])
    rate = np.log((n_clicked + 20 * PAST.rate) / (n_shown + 20))
    return [towards, max((cosine(note, n) for n in clicked), default=0.0), rate]


def test_vectors_are_set_against_the_past_as_a_slow_count_does() -> None:
    vectors_ND = PLACE_ND.copy()
    vectors_ND[::7] = 0  # nothing is known of these
    past = replace(PAST, click_H=PAST.click_H & (PAST.row_H != 5))  # one who never clicked
    columns_IX = description_columns(vectors_ND, SHOWN, past)
    assert (columns_IX[SHOWN.row_I == 5, :2] == 0).all()
    for i in range(0, len(SHOWN.row_I), 97):
        if SHOWN.row_I[i] != 5:
            np.testing.assert_allclose(columns_IX[i], slow_vectors(vectors_ND, i), rtol=1e-4, atol=1e-5)


def test_codes_are_counted_as_a_slow_count_does() -> None:
    codes_NL = RNG.integers(0, 4, size=(N_NOTES, 3)).astype(np.int32)
    codes_NL[::5, 1:], codes_NL[::7] = -1, -1  # some have a coarse code alone, some none
    columns_IX = description_columns(codes_NL, SHOWN, PAST)
    assert columns_IX.shape == (len(SHOWN.row_I), 12)
    for i in range(0, len(SHOWN.row_I), 97):
        expected: list[float] = []
        for level in (1, 2, 3):
            code = codes_NL[SHOWN.note_I[i], :level]
            alike_N = (codes_NL[:, :level] == code).all(axis=1) & (code >= 0).all()
            mine_H = alike_N[PAST.note_H] & (PAST.row_H == SHOWN.row_I[i])
            for n_shown, n_clicked in (
                (PAST.n_shown_N[alike_N].sum(), PAST.n_clicked_N[alike_N].sum()),
                (mine_H.sum(), (mine_H & PAST.click_H).sum()),
            ):
                expected += [np.log1p(n_shown), np.log((n_clicked + 20 * PAST.rate) / (n_shown + 20))]
        np.testing.assert_allclose(columns_IX[i], expected, rtol=1e-5)


def test_what_knows_where_notes_lie_raises_gauc_and_noise_does_not() -> None:
    sigma = 0.5 / np.sqrt(N_USERS)
    noise, noise_cold = gaucs(RNG.normal(size=PLACE_ND.shape).astype(np.float32))
    knowing, knowing_cold = gaucs(PLACE_ND)
    assert abs(noise - 0.5) < 4 * sigma
    assert abs(noise_cold - 0.5) < 6 * sigma
    assert knowing > 0.8
    assert knowing_cold > 0.75
    sides = (PLACE_ND > 0).astype(np.int32)
    codes_NL = np.column_stack([sides[:, 0] * 2 + sides[:, 1], sides[:, 2] * 2 + sides[:, 3]]).astype(np.int32)
    assert gaucs(codes_NL)[0] > 0.65
    assert abs(gaucs(RNG.permutation(codes_NL))[0] - 0.5) < 4 * sigma


def test_nothing_known_of_any_note_is_the_ranker_unaided() -> None:
    unaided_I = cross_fitted(SHOWN.columns_IX, SHOWN)
    for nothing in (np.zeros((N_NOTES, 3), np.float32), np.full((N_NOTES, 2), -1, np.int32)):
        columns_IX = description_columns(nothing, SHOWN, PAST)
        assert (columns_IX == columns_IX[0]).all()
        described_I = cross_fitted(np.column_stack([SHOWN.columns_IX, columns_IX]), SHOWN)
        np.testing.assert_allclose(described_I, unaided_I, rtol=1e-3, atol=1e-4)


def test_equals_are_equally_near_and_means_that_cancel_say_nothing() -> None:
    vectors_ND = np.zeros((N_NOTES, 2), np.float32)
    vectors_ND[:60] = (0.3, 0.1)  # sixty notes in one place: the rate of all the others, not of twenty of them
    columns_IX = description_columns(vectors_ND, SHOWN, PAST)
    at_I = SHOWN.note_I == 7
    others = np.setdiff1d(np.arange(60), 7)
    n_shown, n_clicked = PAST.n_shown_N[others].sum(), PAST.n_clicked_N[others].sum()
    np.testing.assert_allclose(columns_IX[at_I, 2], np.log((n_clicked + 20 * PAST.rate) / (n_shown + 20)), rtol=1e-5)
    assert (columns_IX[SHOWN.note_I >= 60, 2] == np.float32(np.log(PAST.rate))).all()
    angles_N = np.arange(N_NOTES) % 3 * 2 * np.pi / 3
    three = np.arange(3, dtype=np.int32)
    past = Past(0 * three, three, np.ones(3, bool), PAST.n_shown_N, PAST.n_clicked_N)
    around_ND = np.column_stack([np.cos(angles_N), np.sin(angles_N)]).astype(np.float32)
    assert (np.abs(description_columns(around_ND, SHOWN, past)[:, :2]) <= 1 + 1e-6).all()


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (LIFTED, r"describe: expected shape \(5, 1 to 1024\), got \(4, 2\)"),
        (np.zeros((5, 2_000), np.float32), r"describe: expected shape \(5, 1 to 1024\), got \(5, 2000\)"),
        (np.zeros((5, 17), np.int32), r"describe: expected shape \(5, 1 to 16\), got \(5, 17\)"),
        (np.zeros((5, 0), np.int32), r"describe: expected shape \(5, 1 to 16\), got \(5, 0\)"),
        (np.full((5, 2), np.inf, np.float32), "describe: expected finite numbers"),
        (np.full((5, 2), -7, np.int32), "describe: expected codes from 0, or -1 for none, got -7"),
        (np.array([[-1, 3]] * 5, np.int32), "describe: expected no code after a -1, got one"),
    ],
)
def test_a_bad_description_is_refused(described: Description, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_description(described, 5)


@pytest.mark.parametrize("described", [None, LIFTED, LIFTED.astype(np.int32)])
@pytest.mark.parametrize("cold_only", [None, np.array([[2, -1]], np.int32)])
def test_what_is_said_comes_back(described: Description, cold_only: np.ndarray | None) -> None:
    said = Said(Answer(task=PROBE, status="ok", shape=(1, 2)), np.array([[3, 1]], np.int32), cold_only, described)
    again = unpack(pack(said))
    for ours, theirs in zip(said[1:], again[1:], strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("lie", [{"described": (9, 9)}, {"described": (-1, 2)}, {"described_as": "nothing"}])
def test_a_description_of_another_size_than_it_says_is_no_answer(lie: dict[str, object]) -> None:
    head, _, rest = pack(
        Said(Answer(task=PROBE, status="ok", shape=(1, 2)), LIFTED[:1].astype(int), None, LIFTED)
    ).partition(b"\n")
    forged = Answer.model_validate_json(head).model_copy(update=lie)
    with pytest.raises(ValueError, match="expected"):
        unpack(forged.model_dump_json().encode() + b"\n" + rest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probe")


@pytest.fixture(scope="module")
def records(folder: Path) -> dict[str, ResultRecord]:
    names = ("Describes", "DescribesTooMuch", "IsNotAsked", "Good", *(name for name, _ in BROKEN))
    methods = ("oracle", "als", "popular", *(f"{BAD}:{name}" for name in names))
    plan = Plan("tiny-video", (2,), (PROBE,), methods, "popular")
    done = run(plan, folder, n_workers=2, data=None, tell=quiet)
    return {record.method.replace(f"{BAD}:", ""): record for record in done}


@pytest.mark.parametrize("name", ["oracle", "popular", "Good", "DescribesTooMuch", "IsNotAsked"])
def test_who_does_not_describe_has_no_such_column(name: str, records: dict[str, ResultRecord]) -> None:
    assert records[name].status == "ok"
    assert "gauc" in records[name].metrics
    assert "gauc_described" not in records[name].metrics


@pytest.mark.parametrize("name", ["als", "Describes"])
def test_who_describes_has_a_value_for_each_user_of_the_probe(name: str, records: dict[str, ResultRecord]) -> None:
    described, unaided = (records[name].metrics[metric] for metric in ("gauc_described", "gauc_unaided"))
    assert (described.n, described.n_undefined) == (unaided.n, unaided.n_undefined)


def test_the_table_has_a_column_for_it(folder: Path, records: dict[str, ResultRecord]) -> None:
    assert records
    (table,) = summarise(load_run(folder), TASKS, reference="popular")
    assert {"described", "unaided"} <= {column.heading for column in columns_of(table)}


def test_a_run_scores_what_the_method_said(folder: Path, records: dict[str, ResultRecord]) -> None:
    (exam_file,) = (folder / "exams").glob("*/rank-probe~u2n@v1.*.npz")
    exam, (dataset,) = load(exam_file), (folder / "datasets").iterdir()
    notes = read(dataset).observation.catalog.notes
    codes_NL = np.column_stack([notes.category_N, np.arange(len(notes))])[: exam.n_targets].astype(np.int32)
    assert exam.shown is not None
    assert exam.past is not None
    expected, _ = gaucs(codes_NL, exam.shown, exam.past)
    assert records["Describes"].metrics["gauc_described"].mean == pytest.approx(expected, abs=1e-12)
    assert exam.past.n_shown_N.sum() > len(exam.past.row_H) > len(exam.shown.row_I)


@pytest.mark.parametrize(("name", "why"), BROKEN)
def test_a_bad_description_fails_its_cell_and_says_why(name: str, why: str, records: dict[str, ResultRecord]) -> None:
    assert records[name].status == "failed"
    assert why in str(records[name].error)
