"""A view holds back what its task says, and nothing else."""

import numpy as np
import pytest

from bench.ask import ask
from bench.case import Opener, opening_order
from bench.split import Views, as_of, entity_of, fit_view, last_event_of_each_user, views
from bench.task import WORLD, Cold, LeaveOneOut, Recorded, Snapshot, Task
from bench.tasks import TASKS, find_task
from simulator.schema import DAY_SECONDS, Kind, Observation
from simulator.simulate import live
from simulator.spec import TINY

SIMULATED = [task for task in TASKS.values() if task.source == WORLD and isinstance(task.split, Snapshot)]


@pytest.fixture(scope="module")
def whole() -> Observation:
    return live(TINY, seed=2)


def cut_of(task: Task, whole: Observation) -> Views:
    return views(task, whole, fit_view(task, whole), rng=np.random.default_rng(0))


@pytest.mark.parametrize("task", SIMULATED, ids=lambda task: task.id)
def test_no_simulated_task_shows_the_fit_anything_of_its_last_week(task: Task, whole: Observation) -> None:
    assert isinstance(task.split, Snapshot)
    cut = cut_of(task, whole)
    assert cut.fit.now == whole.now - 7 * DAY_SECONDS
    assert int(cut.fit.events.time_E[-1]) < cut.fit.now
    assert int(cut.fit.catalog.notes.born_time_N[-1]) < cut.fit.now
    assert cut.index.now == whole.now


@pytest.mark.parametrize("j", [0, 1, 5, 20])
@pytest.mark.parametrize(("family", "kind"), [("author-cold/u2a", "author"), ("user-cold/u2n", "user")])
def test_cold_entities_show_exactly_their_first_clicks(family: str, kind: Kind, j: int, whole: Observation) -> None:
    task = find_task(f"{family}/j{j}@v1")
    cut = cut_of(task, whole)
    entity_E = entity_of(kind, whole)
    shown_E = entity_of(kind, cut.index)
    assert len(cut.cold_ids) > 3
    for cold in cut.cold_ids:
        clicks = whole.events.take((entity_E == cold) & whole.events.click_E)
        shown = cut.index.events.take(shown_E == cold)
        assert np.array_equal(shown.time_E, clicks.time_E[:j])
        assert shown.click_E.all()


def test_what_is_not_cold_is_shown_whole(whole: Observation) -> None:
    cut = cut_of(find_task("author-cold/u2a/j5@v1"), whole)
    warm_E = ~np.isin(entity_of("author", whole), cut.cold_ids)
    shown_E = ~np.isin(entity_of("author", cut.index), cut.cold_ids)
    assert np.array_equal(whole.events.time_E[warm_E], cut.index.events.time_E[shown_E])


def test_follows_of_cold_authors_are_hidden_with_the_clicks_that_made_them(whole: Observation) -> None:
    cut = cut_of(find_task("author-cold/u2a/j0@v1"), whole)
    assert np.isin(whole.follows.author_F, cut.cold_ids).any()
    assert not np.isin(cut.index.follows.author_F, cut.cold_ids).any()
    warm_F = ~np.isin(whole.follows.author_F, cut.cold_ids)
    assert len(cut.index.follows) == warm_F.sum()


@pytest.mark.parametrize(("name", "low", "high"), [("0h", 0, 1), ("1h", 1, 3_600), ("6h", 3_600, 21_600)])
def test_cold_notes_are_known_as_they_were_at_an_age(name: str, low: int, high: int, whole: Observation) -> None:
    cut = cut_of(find_task(f"note-cold/u2n/age-{name}@v1"), whole)
    born_N = whole.catalog.notes.born_time_N
    for note in cut.cold_ids:
        whole_age = whole.events.time_E[whole.events.note_E == note] - born_N[note]
        shown_age = cut.index.events.time_E[cut.index.events.note_E == note] - born_N[note]
        assert np.array_equal(shown_age, whole_age[: len(shown_age)])
        assert (shown_age < high).all()
        assert (whole_age[len(shown_age) :] >= low).all()
    is_warm_E = ~np.isin(whole.events.note_E, cut.cold_ids)
    assert is_warm_E.sum() == (~np.isin(cut.index.events.note_E, cut.cold_ids)).sum()
    assert np.array_equal(cut.age_seconds_N, whole.now - born_N)


def test_cold_notes_are_the_newest_and_the_same_at_every_age(whole: Observation) -> None:
    cuts = [cut_of(find_task(f"note-cold/u2n/age-{name}@v1"), whole) for name in ("0h", "1h", "6h", "24h")]
    born_N = whole.catalog.notes.born_time_N
    for cut in cuts:
        assert np.array_equal(cut.cold_ids, np.flatnonzero(born_N >= whole.now - DAY_SECONDS))


@pytest.mark.parametrize("task", SIMULATED, ids=lambda task: task.id)
def test_no_follow_edge_tells_of_a_hidden_event(task: Task, whole: Observation) -> None:
    cut = cut_of(task, whole)
    author_N = whole.catalog.notes.author_N

    def made(seen: Observation) -> set[tuple[int, int, int]]:
        log = seen.events.take(seen.events.follow_E)
        return set(zip(log.user_E.tolist(), author_N[log.note_E].tolist(), log.time_E.tolist(), strict=True))

    def edges(seen: Observation) -> set[tuple[int, int, int]]:
        follows = seen.follows
        return set(zip(follows.user_F.tolist(), follows.author_F.tolist(), follows.time_F.tolist(), strict=True))

    hidden = made(whole) - made(cut.index)
    assert edges(cut.index) == edges(whole) - hidden


def test_the_edge_of_a_snapshot_belongs_to_what_comes_after(whole: Observation) -> None:
    edge = int(whole.events.time_E[len(whole.events) // 2])
    assert int(as_of(whole, edge).events.time_E[-1]) < edge
    assert int(as_of(whole, edge + 1).events.time_E[-1]) == edge


def test_leave_one_out_hides_two_from_the_fit_and_one_from_the_index(whole: Observation) -> None:
    task = Task("t/x@v1", "t", "user", "note", split=LeaveOneOut())
    cut = cut_of(task, whole)
    users = np.unique(whole.events.user_E)
    assert len(whole.events) - len(cut.index.events) == len(users)
    several = np.bincount(whole.events.user_E) >= 2
    assert len(cut.index.events) - len(cut.fit.events) == several.sum()
    last = whole.events.take(last_event_of_each_user(whole.events))
    for user, time in zip(last.user_E[:20], last.time_E[:20], strict=True):
        assert time == whole.events.time_E[whole.events.user_E == user].max()


def test_the_leaky_task_shows_the_fit_everything(whole: Observation) -> None:
    task = Task("t/x@v1", "t", "user", "note", split=LeaveOneOut(leaky=True))
    assert len(fit_view(task, whole).events) == len(whole.events)


def test_recorded_splits_hold_back_events_but_know_every_entity(whole: Observation) -> None:
    edge = whole.now // 2
    task = Task("t/x@v1", "t", "user", "note", split=Recorded(now=edge, positives_from=edge))
    cut = cut_of(task, whole)
    assert int(cut.fit.events.time_E[-1]) < edge
    assert len(cut.fit.catalog.notes) == len(whole.catalog.notes)


def test_without_an_arrival_rule_cold_is_what_has_no_event(whole: Observation) -> None:
    edge = whole.now // 2
    cold = Cold("note", arrived_days_ago=None, first_interactions=0)
    task = Task("t/x@v1", "t", "user", "note", split=Recorded(now=edge, positives_from=edge), cold=cold)
    cut = cut_of(task, whole)
    known = np.unique(cut.fit.events.note_E)
    assert np.array_equal(np.union1d(known, cut.cold_ids), np.arange(len(whole.catalog.notes)))
    assert len(np.intersect1d(known, cut.cold_ids)) == 0


@pytest.mark.parametrize("task", SIMULATED, ids=lambda task: task.id)
def test_requests_carry_what_was_seen_and_candidates_are_the_whole_corpus(task: Task, whole: Observation) -> None:
    cut = cut_of(task, whole)
    requests = ask(task, whole, cut, rng=np.random.default_rng(0))
    author_N = whole.catalog.notes.author_N
    corpus = np.unique(author_N) if task.target == "author" else np.arange(len(author_N))
    assert np.array_equal(requests.candidates_C, corpus)
    events = cut.index.events
    for q in range(0, len(requests), max(1, len(requests) // 10)):
        seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
        if task.query == "author":
            assert np.array_equal(seen, requests.ids_Q[q : q + 1])
        elif task.target == "note":
            assert np.array_equal(seen, np.unique(events.note_E[events.user_E == requests.ids_Q[q]]))
        else:
            rows = (events.user_E == requests.ids_Q[q]) & events.click_E
            assert np.array_equal(seen, np.unique(author_N[events.note_E[rows]]))


def test_settings_of_a_family_ask_the_same_users(whole: Observation) -> None:
    opener = Opener(whole, key=1)
    first, second = (opener.open(find_task(f"note-cold/u2n/age-{age}@v1")) for age in ("0h", "24h"))
    assert np.array_equal(first.requests.ids_Q, second.requests.ids_Q)


def test_the_order_of_opening_changes_nothing(whole: Observation) -> None:
    tasks = opening_order(SIMULATED)
    forward, backward = Opener(whole, key=1), Opener(whole, key=1)
    there = {task.id: forward.open(task) for task in tasks}
    for task in reversed(tasks):
        case = backward.open(task)
        assert np.array_equal(case.requests.seen_S, there[task.id].requests.seen_S)
        assert np.array_equal(case.cut.index.events.time_E, there[task.id].cut.index.events.time_E)


def test_a_cold_rule_needs_exactly_one_way_to_reveal() -> None:
    with pytest.raises(ValueError, match="exactly one of first_interactions and age_seconds"):
        Cold("author")
    with pytest.raises(ValueError, match=r"Cold\.entity: expected note with age_seconds, got user"):
        Cold("user", age_seconds=(0, 1))


def test_an_unknown_task_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"task: expected one of author-cold/u2a/j0@v1, .*got 'nope'"):
        find_task("nope")
