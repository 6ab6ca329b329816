"""What a node says of an errand, and how the head hears it, whatever is lost on the way. No cluster is started here."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st
from ray.exceptions import RayTaskError, WorkerCrashedError

from bench import cluster
from bench.answer import unpack
from bench.errand import Errand
from bench.machine import describe_machine
from bench.node import Elsewhere, Files, Lacking, Order, Said, code_of, serve
from bench.processes import Ended, Limits, Message, run_jobs
from bench.run import run
from bench.watching import Spent
from simulator.dataset import read_manifest
from tests.cluster_examples import TASKS, dataset_at, errand
from tests.test_run import tiny
from tests.waiting import quiet

MODULE = "methods.popular"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset_at(tmp_path_factory.mktemp("cluster") / "world")


def order(of: Errand, world: Path) -> Order:
    return Order(of, read_manifest(world).fingerprint, MODULE, code_of(MODULE), (str(world.parent),))


def fetched(what: Any) -> bytes:
    return Path(what).read_bytes()


def lists_of(events: Sequence[Said]) -> list[object]:
    """Return what is said, all but what was measured."""
    found: list[object] = []
    for event in events:
        if isinstance(event, Message) and event.content:
            answer, *lists = unpack(event.content)
            found.append((answer.task, answer.status, [None if ids is None else ids.tolist() for ids in lists]))
        elif isinstance(event, Message):
            found.append("begun")
        elif isinstance(event, Ended):
            found.append(event)
    return found


def test_a_node_says_what_a_local_job_says_and_where_it_is(world: Path, tmp_path: Path) -> None:
    of = errand("popular", world)
    with closing(run_jobs([of.job(tmp_path / "here", hidden=[])], n_workers=1)) as events:
        here = lists_of(list(events))
    first, *said = serve(order(of, world), None, fetch=fetched)
    assert first == Elsewhere(of.name, describe_machine())
    assert lists_of(said) == here
    assert [entry[0] for entry in here if isinstance(entry, tuple)] == list(TASKS)


def test_a_node_that_lacks_the_dataset_asks_for_it_and_says_the_same_of_its_files(world: Path, tmp_path: Path) -> None:
    of, gone = errand("popular", world), errand("popular", tmp_path / "nothing")
    assert list(serve(order(gone, world), None, fetch=fetched)) == [Lacking()]
    files = {str(path.relative_to(world)): path for path in world.rglob("*") if path.is_file()}
    sent = list(serve(order(gone, world), files, fetch=fetched))
    assert lists_of(sent) == lists_of(list(serve(order(of, world), None, fetch=fetched)))


def test_another_dataset_in_its_place_is_none(world: Path) -> None:
    assert list(serve(replace(order(errand("popular", world), world), fingerprint="other"), None, fetch=fetched)) == [
        Lacking()
    ]


def test_a_node_with_other_code_refuses(world: Path) -> None:
    of = errand("popular", world)
    (said,) = serve(replace(order(of, world), code="other"), None, fetch=fetched)
    assert isinstance(said, Ended)
    assert (said.status, said.why.partition(",")[0]) == ("failed", "code: expected that of the head")


def test_limits_hold_on_a_node(world: Path) -> None:
    hangs = errand("tests.cheaters:Hangs", world, ("warm/next-note@v1",), Limits(seconds=4, memory_bytes=8e8))
    *_, ended = serve(order(hangs, world), None, fetch=fetched)
    assert isinstance(ended, Ended)
    assert (ended.status, ended.why) == ("timeout", "expected an answer within 4 s, got none")


MACHINE = describe_machine()
SAID: tuple[Said, ...] = (
    Elsewhere("errand", MACHINE),
    *(Message("errand", content, Spent(1.0, 1.0)) for content in (b"", b"one", b"two")),
    Ended("errand", "ok"),
)
ERRAND = Errand("ours", "popular", TASKS[:2], "nowhere", 5, 6, Limits())


class Post:
    """Gives out streams that were made up, and files where asked."""

    def __init__(self, *streams: Sequence[object]) -> None:
        self.streams, self.sent = [iter(stream) for stream in streams], list[Files | None]()

    def send(self, errand: Errand, files: Files | None) -> Iterator[object]:
        self.sent.append(files)
        return self.streams.pop(0)

    def files_of(self, errand: Errand) -> Files:
        return {"manifest.json": errand.dataset}


def heard(post: Post, n_errands: int = 1, n_at_once: int | None = None) -> list[object]:
    """Return what the head passes on of streams; what is an error there is raised."""

    def get(what: object) -> object:
        if isinstance(what, Exception):
            raise what
        return what

    errands = [replace(ERRAND, name=f"ours {n}") for n in range(n_errands)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "get", get)
        patch.setattr(ray, "wait", lambda streams, timeout: (streams, []))
        patch.setattr(cluster, "_Post", lambda hidden: post)
        return list(cluster.run_errands(errands, hidden=(), n_at_once=n_at_once))


def named(said: tuple[Said, ...], n: int = 0) -> list[object]:
    return [replace(one, name=f"ours {n}") for one in said if not isinstance(one, Lacking)]


@pytest.mark.parametrize("n_before", range(len(SAID)))
def test_what_is_lost_once_is_passed_on_once(n_before: int) -> None:
    passed = heard(Post([*SAID[:n_before], WorkerCrashedError()], list(SAID)))
    machines = [one for one in passed if isinstance(one, Elsewhere)]
    assert [one for one in passed if one not in machines] == named(SAID[1:])
    assert len(machines) == (1 if n_before == 0 else 2)


@given(first=st.integers(0, 4), second=st.integers(0, 4))
def test_what_is_lost_twice_is_a_failed_row_after_what_was_said(first: int, second: int) -> None:
    *passed, ended = heard(Post([*SAID[:first], WorkerCrashedError()], [*SAID[:second], WorkerCrashedError()]))
    messages = [one for one in passed if isinstance(one, Message)]
    assert messages == named(SAID[1 : max(first, second, 1)])
    assert ended == Ended("ours 0", "failed", "its Ray worker or node was lost twice: WorkerCrashedError")


def test_a_stream_that_breaks_off_is_a_lost_one() -> None:
    *_, ended = heard(Post(list(SAID[:2]), []))
    assert isinstance(ended, Ended)
    assert ended.status == "failed"


def test_an_error_of_the_supervisor_is_a_failed_row_and_not_tried_again() -> None:
    error = RayTaskError("serve", "traceback", OSError("no space left"))  # type: ignore[no-untyped-call]
    assert heard(Post([error])) == [Ended("ours 0", "failed", "on its node: OSError: no space left")]


def test_a_dataset_is_sent_to_a_node_that_lacks_it() -> None:
    post = Post([Lacking()], list(SAID))
    assert heard(post) == named(SAID)
    assert post.sent == [None, {"manifest.json": "nowhere"}]


def test_no_more_errands_than_asked_for_are_on_their_way() -> None:
    post = Post(*[list(SAID)] * 3)
    passed = heard(post, 3, 1)
    assert passed == [one for n in range(3) for one in named(SAID, n)]


def test_without_ray_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bench.cluster")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"ray: expected the package, got none; pip install coldrecall\[ray\]"):
        run(tiny(("random",)), tmp_path, n_workers=1, data=None, tell=quiet, ray="local")
