"""What every listed method keeps: the contract, and the answer of a world where the answer is known."""

import copy
import dataclasses
import functools
import itertools
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from bench.described import check_description
from methods.author_encoder.backbones import BackboneConfig
from methods.author_encoder.embedded import EmbeddedConfig
from methods.author_encoder.encoder import HeadConfig
from methods.author_encoder.engines import OptimizerConfig
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.learning import LearningConfig
from methods.author_encoder.training import TrainingConfig
from methods.base import Budget, Describes, Method
from methods.chains.encoded import EncodedAuthors
from methods.gradient import Schedule
from methods.registry import METHODS, create
from methods.user_tower import MIDDLE, UserTowerConfig
from simulator.schema import Kind, Observation, Requests, Slates
from tests import checkerboard as board

KINDS: tuple[Kind, ...] = ("note", "author")
IMPERSONAL = {"random", "recent", "popular", "popular-all"}
WORLD = board.checkerboard()
PAST = board.as_of_fit(WORLD)
SMALL = LearningConfig(
    backbone=BackboneConfig(
        embedded=EmbeddedConfig(
            vocabulary=300, hidden=32, layers=1, heads=2, feed_forward=64, context=16, tokens=4_000
        ),
        trained="full",
        head=HeadConfig(dimensions=16),
    ),
    filters=FilterConfig(chain=("support",), min_count=1),
    training=TrainingConfig(steps=40, batch=16, optimizer=OptimizerConfig(learning_rate=1e-2)),
)
# The checkerboard is learnt in less time than the defaults take, or, where those were chosen on a world with a hundred
# times the clicks, at a slower pace.
SHORT: dict[str, dict[str, object]] = {
    "author-encoder": {"learning": SMALL},
    "u2a2a2i-encoder": {"source": EncodedAuthors(SMALL)},
    "i2a2a2u-encoder": {"source": EncodedAuthors(SMALL)},
    "default-id": {"tower": UserTowerConfig(schedule=MIDDLE)},
    "clcrec": {"schedule": Schedule(epochs=30, batch=2_048)},
    "mf-bpr": {"factors": 16, "negatives": 32, "learning_rate": 0.01, "epochs": 15},
    "mf-softmax": {"epochs": 100, "factors": 16, "negatives": 64, "regularization": 0.01},
    "sasrec-bce": {"learning_rate": 3e-3},
    "sasrec-bce-wide": {"epochs": 10, "learning_rate": 3e-3},
    "comirec-sa": {"factors": 32, "history": 10},
    "sasrec-ce": {"epochs": 10, "learning_rate": 3e-3},
    "sasrec-ce-wide": {"epochs": 10, "learning_rate": 3e-3},
}
OLD_USERS, NEW_USERS = np.arange(board.N_OLD_USERS), np.arange(board.N_OLD_USERS, board.N_USERS)


def made(name: str) -> Method:
    method = create(name)
    if name not in SHORT:
        return method
    kind: Callable[[object], Method] = type(method)
    return kind(dataclasses.replace(method.config, **SHORT[name]))


def learnt(name: str, target: Kind, past: Observation) -> Method:
    method = made(name)
    method.fit(past, target=target, rng=np.random.default_rng(3), budget=Budget())
    return method


@functools.cache
def first_fit(name: str, target: Kind) -> Method:
    return learnt(name, target, PAST)


@functools.cache
def second_fit(name: str, target: Kind) -> Method:
    return learnt(name, target, PAST)


def fitted(name: str, target: Kind, *, past: Observation = PAST, present: Observation = WORLD) -> Method:
    # As the harness does: views are shown to copies of what was fitted.
    method = copy.deepcopy(first_fit(name, target)) if past is PAST else learnt(name, target, past)
    method.index(present)
    return method


@functools.cache
def grown_up(name: str, target: Kind) -> Method:
    """A method fitted on the past and indexed on the present, shared by the tests that only ask."""
    return fitted(name, target)


def served(*, names: tuple[str, ...] = tuple(METHODS)) -> list[tuple[str, Kind, Kind]]:
    return [(name, *pair) for name in names for pair in sorted(create(name).capabilities.serves) if pair[1] != "user"]


# Methods for notes that ask for users have tests of their own.
FOR_USERS = tuple(name for name in METHODS if ("user", "note") in create(name).capabilities.serves)


def those(**capabilities: bool) -> tuple[str, ...]:
    able = {name: create(name).capabilities for name in FOR_USERS}
    return tuple(name for name in FOR_USERS if all(getattr(able[name], key) == v for key, v in capabilities.items()))


PERSONAL = tuple(name for name in FOR_USERS if name not in IMPERSONAL)


def some_requests(query: Kind, target: Kind) -> Requests:
    return board.ask(WORLD, query, target, np.array([3, 0, 17, 12, 9]))


def rank_of(slates: Slates, target: int) -> np.ndarray:
    """Where a target stands in each slate."""
    assert (slates.ids_QK == target).any(axis=1).all()
    place_Q: np.ndarray = (slates.ids_QK == target).argmax(axis=1)
    return place_Q


def share_right(method: Method, query: Kind, target: Kind, pair: tuple[int, int], ids: np.ndarray) -> float:
    """How often the target of the query's parity stands above the other."""
    requests = board.ask(WORLD, query, target, ids)
    requests = dataclasses.replace(
        requests, seen_start_Q1=np.zeros(len(ids) + 1, np.int64), seen_S=np.empty(0, np.int32)
    )
    slates = method.recommend(requests, k=len(requests.candidates_C))
    even_first_Q = rank_of(slates, pair[0]) < rank_of(slates, pair[1])
    return float((even_first_Q == (board.parity(ids) == 0)).mean())


@pytest.mark.parametrize(("name", "query", "target"), served())
def test_slates_have_the_shape_asked_for(name: str, query: Kind, target: Kind) -> None:
    slates = grown_up(name, target).recommend(some_requests(query, target), k=4)
    assert slates.ids_QK.shape == (5, 4)
    assert (slates.ids_QK >= 0).all()
    assert (np.diff(slates.scores_QK, axis=1) <= 0).all()


@pytest.mark.parametrize(("name", "query", "target"), served())
def test_answers_are_unseen_candidates_without_repetition(name: str, query: Kind, target: Kind) -> None:
    requests = board.among(some_requests(query, target), np.arange(1, WORLD.catalog.count(target), 3))
    slates = grown_up(name, target).recommend(requests, k=200)
    for q, row in enumerate(slates.ids_QK):
        seen = requests.seen_S[requests.seen_start_Q1[q] : requests.seen_start_Q1[q + 1]]
        expected = np.setdiff1d(requests.candidates_C, seen)
        assert sorted(row[: len(expected)]) == expected.tolist()
        assert (row[len(expected) :] == -1).all()


@pytest.mark.parametrize(("name", "query", "target"), served())
def test_the_same_seed_gives_the_same_slates(name: str, query: Kind, target: Kind) -> None:
    requests = some_requests(query, target)
    other = copy.deepcopy(second_fit(name, target))
    other.index(WORLD)
    once, again = (method.recommend(requests, k=20) for method in (grown_up(name, target), other))
    np.testing.assert_array_equal(once.ids_QK, again.ids_QK)
    np.testing.assert_array_equal(once.scores_QK, again.scores_QK)


@pytest.mark.parametrize(("name", "query", "target"), served())
def test_an_index_leaves_nothing_for_the_next(name: str, query: Kind, target: Kind) -> None:
    method, requests = fitted(name, target, present=PAST), board.ask(PAST, query, target, np.array([3, 0, 17]))
    before = method.recommend(requests, k=20)
    method.index(WORLD)
    method.index(PAST)
    np.testing.assert_array_equal(before.ids_QK, method.recommend(requests, k=20).ids_QK)


@pytest.mark.parametrize(("name", "target"), [*itertools.product(FOR_USERS, KINDS)])
def test_what_a_method_says_of_its_targets_is_a_row_of_numbers_each(name: str, target: Kind) -> None:
    method = grown_up(name, target)
    if not isinstance(method, Describes):
        assert not hasattr(method, "describe")
        return
    described_TD = method.describe()
    assert described_TD.dtype in (np.float32, np.int32)
    check_description(described_TD, WORLD.catalog.count(target))


@pytest.mark.parametrize(("name", "target"), [*itertools.product(FOR_USERS, KINDS)])
def test_the_observation_stays_as_it_was(name: str, target: Kind) -> None:
    whole = board.checkerboard()
    past = board.as_of_fit(whole)
    fitted(name, target, past=past, present=whole)
    for seen, fresh in ((whole, board.checkerboard()), (past, board.as_of_fit(board.checkerboard()))):
        for part, other in ((seen.events, fresh.events), (seen.catalog.notes, fresh.catalog.notes)):
            for field in dataclasses.fields(part):
                if isinstance(getattr(part, field.name), np.ndarray):
                    np.testing.assert_array_equal(getattr(part, field.name), getattr(other, field.name))


@pytest.mark.parametrize(("name", "query", "target"), served())
def test_answers_change_with_the_log_as_declared(name: str, query: Kind, target: Kind) -> None:
    mute = fitted(name, target, past=board.without_clicks(PAST), present=board.without_clicks(WORLD))
    requests = some_requests(query, target)
    same = (mute.recommend(requests, k=20).ids_QK == grown_up(name, target).recommend(requests, k=20).ids_QK).all()
    asks_by_text = create(name).capabilities.cold_queries and query == target
    assert same != create(name).capabilities.learns_from_interactions or asks_by_text


@pytest.mark.parametrize(("name", "query", "target"), served(names=PERSONAL))
def test_the_first_answers_have_the_parity_of_the_query(name: str, query: Kind, target: Kind) -> None:
    ids = OLD_USERS if query == "user" else np.arange(20)
    slates = grown_up(name, target).recommend(board.ask(WORLD, query, target, ids), k=2)
    assert (board.parity(slates.ids_QK) == board.parity(ids)[:, None]).all()


@pytest.mark.parametrize(("name", "target"), [*itertools.product(PERSONAL, KINDS)])
def test_new_users_with_a_history_are_answered(name: str, target: Kind) -> None:
    slates = grown_up(name, target).recommend(board.ask(WORLD, "user", target, NEW_USERS), k=2)
    assert (board.parity(slates.ids_QK) == board.parity(NEW_USERS)[:, None]).all()


@pytest.mark.parametrize(("name", "query", "target"), served(names=PERSONAL))
def test_targets_first_clicked_after_the_fit_are_folded_in(name: str, query: Kind, target: Kind) -> None:
    ids = OLD_USERS if query == "user" else np.arange(20)
    assert share_right(grown_up(name, target), query, target, board.NEW_WARM[target], ids) >= 0.95


@pytest.mark.parametrize("pairs", [board.OLD_COLD, board.NEW_COLD], ids=["known at the fit", "new"])
@pytest.mark.parametrize(("name", "query", "target"), served(names=those(cold_targets=True)))
def test_a_cold_target_of_the_right_parity_stands_above_the_other(
    name: str, query: Kind, target: Kind, pairs: dict[Kind, tuple[int, int]]
) -> None:
    ids = OLD_USERS if query == "user" else np.arange(20)
    assert share_right(grown_up(name, target), query, target, pairs[target], ids) >= 0.95


@pytest.mark.parametrize(("name", "target"), [*itertools.product(those(cold_targets=False), KINDS)])
def test_cold_targets_are_at_chance_for_those_who_say_so(name: str, target: Kind) -> None:
    share = share_right(grown_up(name, target), "user", target, board.NEW_COLD[target], OLD_USERS)
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(OLD_USERS))  # four sigmas of a fair coin


@pytest.mark.parametrize("name", those(cold_queries=True))
def test_authors_whom_nobody_clicked_ask_by_their_text(name: str) -> None:
    ids = np.array([*board.OLD_COLD["author"], *board.NEW_COLD["author"]])
    slates = grown_up(name, "author").recommend(board.ask(WORLD, "author", "author", ids), k=3)
    assert (board.parity(slates.ids_QK) == board.parity(ids)[:, None]).all()


def test_an_unknown_method_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"method: expected one of random, .*item-cf.*, got 'no-such'"):
        create("no-such")


@pytest.mark.parametrize("place", ["methods.popular:NoSuch", "no.such:Class", "methods.nowhere:Class"])
def test_a_place_without_a_class_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match=f"method: expected package.module:Class that can be imported, got '{place}'"):
        create(place)


def test_a_class_is_created_by_its_place() -> None:
    assert type(create("methods.popular:Popular")).__name__ == "Popular"


def test_the_table_imports_nothing_heavy() -> None:
    heavy = "{'scipy', 'sklearn', 'implicit', 'numba', 'torch'}"
    code = f"import sys, methods.registry; print({heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize("name", METHODS)
def test_a_config_is_frozen(name: str) -> None:
    config = create(name).config
    for field in dataclasses.fields(config):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, field.name, None)
