"""Publishing: a new note is given users who would engage and come; nobody else can be reached."""

from __future__ import annotations

import numpy as np
import pytest

from bench.case import Case, Opener
from bench.exam import exam_of
from bench.score import check_and_score
from bench.split import as_of
from bench.tasks import find_task
from bench.truth import Truth, draw_chances, simulated_truth
from methods.audience import AuthorAudience, ContentAudience, PresenceConfig, presence, present
from methods.base import Budget, Method
from methods.popular import Popular
from methods.random_order import RandomOrder
from simulator.oracle import Oracle
from simulator.schema import DAY_SECONDS, Observation, Requests
from simulator.simulate import live
from simulator.spec import find_world
from tests import checkerboard as board

SPEC, SEED = find_world("tiny:n_users=4000,n_authors=600"), 2
TASK = find_task("publish/n2u@v1")


@pytest.fixture(scope="module")
def whole() -> Observation:
    return live(SPEC, seed=SEED)


@pytest.fixture(scope="module")
def opened(whole: Observation) -> tuple[Case, Truth]:
    case = Opener(whole, key=1).open(TASK)
    chances = draw_chances(case, SPEC, seed=SEED, rng=np.random.default_rng(0))
    return case, simulated_truth(case, chances, whole, rng=np.random.default_rng(0))


def test_methods_see_nothing_of_the_window(opened: tuple[Case, Truth], whole: Observation) -> None:
    case, _ = opened
    now = whole.now - DAY_SECONDS
    known = as_of(whole, now)
    assert case.cut.index.now == case.requests.time == now
    assert case.cut.fit.now == now - 7 * DAY_SECONDS
    assert int(case.cut.index.events.time_E.max()) < now
    assert len(case.cut.index.catalog.users) == len(known.catalog.users) < len(whole.catalog.users)
    assert len(case.cut.index.catalog.notes) == len(known.catalog.notes) < len(whole.catalog.notes)


def test_new_notes_ask_and_nothing_is_known_of_what_happened_to_them(
    opened: tuple[Case, Truth], whole: Observation
) -> None:
    case, _ = opened
    now, born_N = whole.now - DAY_SECONDS, whole.catalog.notes.born_time_N
    newest = np.flatnonzero((born_N >= now - DAY_SECONDS) & (born_N < now))
    assert np.array_equal(case.requests.ids_Q, newest)
    assert np.isin(newest, whole.events.between(0, now).note_E).any()
    assert not np.isin(newest, case.cut.index.events.note_E).any()


def test_a_note_is_not_offered_to_the_user_who_wrote_it(opened: tuple[Case, Truth], whole: Observation) -> None:
    requests, author_U = opened[0].requests, whole.catalog.users.author_U
    for q, note in enumerate(requests.ids_Q):
        seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
        wrote = np.flatnonzero(author_U == whole.catalog.notes.author_N[note])
        assert np.array_equal(seen, wrote[wrote < opened[0].cut.index.catalog.count("user")])
    assert len(requests.seen_S) > 0


def test_only_users_with_an_impression_in_the_window_are_relevant(
    opened: tuple[Case, Truth], whole: Observation
) -> None:
    case, truth = opened
    now, events = whole.now - DAY_SECONDS, whole.events
    came = set(events.user_E[(events.time_E >= now) & (events.time_E < whole.now)].tolist())
    assert truth.relevant.ids_R.size > 30
    assert set(truth.relevant.ids_R.tolist()) <= came
    assert not set(range(case.cut.index.catalog.count("user"))) <= came


def test_relevance_comes_as_often_as_chance_and_presence_say(opened: tuple[Case, Truth], whole: Observation) -> None:
    case, truth = opened
    notes, now = case.cut.index.catalog.notes, case.cut.index.now
    oracle = Oracle(SPEC, seed=SEED, author_N=notes.author_N, born_time_N=notes.born_time_N, now=now)
    came_U = np.unique(whole.events.between(now, whole.now).user_E)
    came_U = came_U[came_U < case.cut.index.catalog.count("user")].astype(np.int32)
    chance_UQ = oracle.engage_with_notes(came_U)[:, case.requests.ids_Q].astype(np.float64)
    row_S = np.repeat(np.arange(len(case.requests)), np.diff(case.requests.seen_start_Q1))
    for row, user in zip(row_S, case.requests.seen_S, strict=True):
        chance_UQ[came_U == user, row] = 0.0
    spread = np.sqrt((chance_UQ * (1 - chance_UQ)).sum())
    assert abs(len(truth.relevant.ids_R) - chance_UQ.sum()) < 4 * spread
    # Nobody who stays away gains anything, and who comes gains its chance.
    assert truth.gain_QT is not None
    np.testing.assert_allclose(truth.gain_QT[:, came_U], oracle.engage_with_notes(came_U)[:, case.requests.ids_Q].T)
    assert truth.gain_QT.sum() == pytest.approx(truth.gain_QT[:, came_U].sum())


def test_availability_is_what_tells_the_oracle_from_true_affinity(opened: tuple[Case, Truth]) -> None:
    case, truth = opened
    exam = exam_of(case, truth)
    assert truth.oracle is not None
    assert truth.affinity is not None
    best, natural = (
        check_and_score(TASK, exam, lists.ids_QK, None, (SPEC, SEED)) for lists in (truth.oracle, truth.affinity)
    )
    assert np.nanmean(best["recall@50"]) > 1.2 * np.nanmean(natural["recall@50"])
    assert np.nanmax(np.abs(best["regret@50"])) < 1e-6
    assert np.nanmin(natural["regret@50"]) >= -1e-6


def readers_asked(seen: Observation, notes: np.ndarray) -> Requests:
    none = np.zeros(len(notes) + 1, np.int64)
    candidates_C = np.arange(len(seen.catalog.users), dtype=np.int32)
    return Requests("note", "user", notes.astype(np.int32), seen.now, candidates_C, none, np.empty(0, np.int32), 7)


@pytest.mark.parametrize("kind", [AuthorAudience, ContentAudience])
def test_notes_are_given_users_of_their_parity(kind: type[AuthorAudience | ContentAudience]) -> None:
    whole = board.checkerboard()
    method = kind()
    method.fit(board.as_of_fit(whole), target="user", rng=np.random.default_rng(0), budget=Budget())
    method.index(whole)
    # Content also answers for the notes 80, 81, 86 and 87, whose authors nobody has clicked.
    notes = np.arange(80) if kind is AuthorAudience else np.arange(88)
    slates = method.recommend(readers_asked(whole, notes), k=20)
    assert (board.parity(slates.ids_QK) == board.parity(notes)[:, None]).all()


def test_an_audience_is_the_sum_over_the_author_and_its_like() -> None:
    whole = board.checkerboard()
    method = AuthorAudience()
    method.fit(board.as_of_fit(whole), target="user", rng=np.random.default_rng(0), budget=Budget())
    method.index(whole)
    notes = np.array([4, 7, 30])
    slates = method.recommend(readers_asked(whole, notes), k=60)
    events, come_U = whole.events.take(whole.events.click_E), presence(whole, PresenceConfig())
    read_AU = np.zeros((board.N_AUTHORS, board.N_USERS))
    read_AU[board.AUTHOR_N[events.note_E], events.user_E] = 1
    for note, users, scores in zip(notes, slates.ids_QK, slates.scores_QK, strict=True):
        author = board.AUTHOR_N[note]
        for user, score in zip(users, scores, strict=True):
            likes = sum(method.similar_AA_[author, other] * read_AU[other, user] for other in range(board.N_AUTHORS))
            assert score == pytest.approx((read_AU[author, user] + likes) * come_U[user], rel=1e-4)


def test_the_floors_rank_users_by_luck_and_by_their_clicks() -> None:
    whole = board.checkerboard()
    asked = readers_asked(whole, np.array([0, 1]))
    clicks_U = np.bincount(whole.events.user_E[whole.events.click_E], minlength=board.N_USERS)
    for method in (RandomOrder(), Popular()):
        method.fit(board.as_of_fit(whole), target="user", rng=np.random.default_rng(0), budget=Budget())
        method.index(whole)
        listed = method.recommend(asked, k=board.N_USERS).ids_QK
        assert np.array_equal(np.sort(listed, axis=1), np.tile(np.arange(board.N_USERS), (2, 1)))
        assert (np.diff(clicks_U[listed], axis=1) <= 0).all() == isinstance(method, Popular)


def test_presence_is_the_faded_share_of_days_counted_one_by_one(whole: Observation) -> None:
    found_U = presence(whole, PresenceConfig(memory_days=3.0))
    for user in range(0, len(whole.catalog.users), 211):
        came = whole.events.time_E[whole.events.user_E == user]
        joined = whole.catalog.users.joined_time_U[user]
        weight, total, day = 0.0, 0.0, 0
        while whole.now - day * DAY_SECONDS > joined:
            start, end = whole.now - (day + 1) * DAY_SECONDS, whole.now - day * DAY_SECONDS
            weight += np.exp(-day / 3.0) * bool(((came >= start) & (came < end)).any())
            total += np.exp(-day / 3.0)
            day += 1
        assert found_U[user] == pytest.approx((weight + 0.5) / (total + 1), rel=1e-5)
    assert (presence(whole, PresenceConfig(power=0.0)) == 1).all()


def test_whom_no_route_leads_to_stands_below_in_order_of_presence() -> None:
    affinity_QU, presence_U = np.array([[0, 0.2, 0, 0.1]], np.float32), np.array([0.9, 0.1, 0.5, 0.8], np.float32)
    assert np.argsort(-present(affinity_QU, presence_U)[0]).tolist() == [3, 1, 0, 2]
    nothing = present(np.zeros((1, 4), np.float32), presence_U)
    assert np.argsort(-nothing[0]).tolist() == [0, 3, 2, 1]


@pytest.mark.slow
def test_on_small_the_personal_routes_beat_who_is_most_active_and_the_oracle_beats_all() -> None:
    spec = find_world("small")
    whole = live(spec, seed=4)
    case = Opener(whole, key=1).open(TASK)
    truth = simulated_truth(
        case,
        draw_chances(case, spec, seed=4, rng=np.random.default_rng(0)),
        whole,
        rng=np.random.default_rng(0),
    )
    exam, found = exam_of(case, truth), dict[str, float]()
    methods: dict[str, Method] = {
        "random": RandomOrder(),
        "popular": Popular(),
        "author": AuthorAudience(),
        "content": ContentAudience(),
    }
    assert truth.oracle is not None
    lists = {"oracle": truth.oracle.ids_QK}
    for name, method in methods.items():
        method.fit(case.cut.fit, target="user", rng=np.random.default_rng(0), budget=Budget())
        method.index(case.cut.index)
        lists[name] = method.recommend(case.requests, k=max(TASK.ks)).ids_QK
    for name, ids_QK in lists.items():
        found[name] = float(np.nanmean(check_and_score(TASK, exam, ids_QK, None, (spec, 4))["recall@100"]))
    assert found["oracle"] > 2 * max(found["author"], found["content"])
    assert min(found["author"], found["content"]) > 1.5 * found["popular"]
    assert found["popular"] > 2 * found["random"]
