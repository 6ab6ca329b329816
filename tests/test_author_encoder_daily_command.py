"""`coldrecall embed-authors`, as it is typed: from Parquet and from a dataset, blocked, taken back."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from methods.author_encoder.daily.manifest import Version
from methods.author_encoder.daily.ray_work import run_on_ray
from methods.author_encoder.daily.store import LocalStore
from methods.author_encoder.daily.texts import spool
from methods.author_encoder.daily.work import Job
from simulator.simulate import Running, simulate
from simulator.spec import find_world
from tests.daily_examples import authors, fake_vectors, made, order_of, silent

FAKE = ("--factory", "tests.daily_examples:fake", "--index", "flat")
MINILM = "methods.author_encoder.daily.zero_shot:minilm"
A_FUNCTION = "expected package.module:function that can be imported"
LOOSE = ("--threshold", "max_category_psi=10", "--threshold", "max_mean_drift=2")


def typed(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["embed-authors", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def texts_in(folder: Path, n_authors: int, text: str = "text") -> Path:
    spool([(5 * i, f"{text} {i}", i % 4, 0) for i in range(n_authors)], folder)
    return folder


def test_texts_become_live_and_go_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = (*FAKE, *LOOSE, "--out", out, "--categories", "4", "--rows-per-chunk", "50")
    code, said = typed("--texts", texts_in(tmp_path / "one", 120), *options)
    assert (code, "live: version 1" in said) == (0, True)
    assert typed("--texts", texts_in(tmp_path / "two", 120, "other"), *options)[0] == 0
    found = LocalStore(out / "store").get(np.array([10]))
    assert np.array_equal(found.vectors_QD, fake_vectors(["other 2"]).astype(np.float16))
    assert typed("--out", out, "--rollback") == (0, "live: version 1\n")
    found = LocalStore(out / "store").get(np.array([10]))
    assert np.array_equal(found.vectors_QD, fake_vectors(["text 2"]).astype(np.float16))


def test_a_breach_is_said_and_ends_with_one(tmp_path: Path) -> None:
    options = (*FAKE, "--out", tmp_path / "out", "--categories", "4", "--expected", "500")
    code, said = typed("--texts", texts_in(tmp_path / "one", 120), *options)
    assert code == 1
    assert "blocked: coverage: expected at least 0.99, got 0.24" in said
    assert LocalStore(tmp_path / "out" / "store").live() == 0


def test_one_rank_of_an_array_does_its_share_only(tmp_path: Path) -> None:
    texts, out = texts_in(tmp_path / "one", 120), tmp_path / "out"
    options = (*FAKE, "--texts", texts, "--out", out, "--categories", "4", "--rows-per-chunk", "50")
    assert typed(*options, "--rank", "1/2")[0] == 0
    assert [path.name for path in out.rglob("part-*")] == ["part-00001.parquet"]
    assert typed(*options)[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected one of them, got neither"),
        (("--texts", "nowhere"), "nowhere: expected Parquet files of texts"),
        (("--texts", "TEXTS"), "--categories: expected at least 1"),
        (("--texts", "TEXTS", "--categories", "4", "--rank", "one"), "--rank: expected R/W"),
        (
            ("--texts", "TEXTS", "--categories", "4", "--threshold", "max_fill_rate"),
            "--threshold: expected NAME=NUMBER",
        ),
        (("--texts", "TEXTS", "--categories", "4", "--encoder", "here"), "with modules.json, got here"),
        (
            ("--texts", "TEXTS", "--categories", "4", "--encoder", "here", "--factory", MINILM),
            "expected none for the packaged",
        ),
        (("--dataset", "nowhere", "--prompts", "nosuch:fn"), f"prompts: {A_FUNCTION}, got 'nosuch:fn'"),
        (("--dataset", "nowhere", "--prompts", "methods.text"), f"prompts: {A_FUNCTION}, got 'methods.text'"),
        (("--dataset", "nowhere", "--prompts", "methods.text:nosuch"), f"prompts: {A_FUNCTION}, got 'methods.text:"),
        (
            ("--dataset", "nowhere", "--prompts", "methods.text:TOKEN"),
            "prompts: expected package.module:function, got 'methods.text:TOKEN', str",
        ),
        (
            ("--texts", "TEXTS", "--categories", "4", "--factory", "methods.text:nosuch"),
            f"factory: {A_FUNCTION}, got 'methods.text:nosuch'",
        ),
    ],
)
def test_what_is_typed_wrongly_is_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    texts = texts_in(tmp_path / "texts", 10)
    words = [str(texts) if word == "TEXTS" else word for word in options]
    factory = () if "--encoder" in words or "--factory" in words else FAKE
    with pytest.raises(ValueError, match=message):
        typed("--out", tmp_path / "out", *factory, *words)


@pytest.mark.slow
def test_a_dataset_is_encoded_by_minilm_and_copied_the_next_day(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    simulate(find_world("tiny"), data, seed=1, running=Running(texts=True))
    options = ("--dataset", data, "--out", out, "--index", "hnsw-sqfp16,ivf-sq8", *LOOSE)
    assert typed(*options)[0] == 0
    assert typed(*options)[0] == 0
    first, second = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert first["model"] == "all-MiniLM-L6-v2"
    assert first["counts"]["copied"] == second["counts"]["encoded"] == 0
    assert second["counts"]["copied"] == first["counts"]["encoded"] > 0
    assert Version.open(out / "versions" / "v2").manifest.n_dimensions == 384


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_ray_makes_the_bytes_that_processes_make(tmp_path: Path) -> None:
    from methods.author_encoder.daily.job import make_version
    from methods.author_encoder.daily.manifest import Versions

    order = order_of(authors(100))

    def on_ray(job: Job) -> None:
        run_on_ray(job, "local", tell=silent)

    ours = made(order, tmp_path / "ours")
    theirs = make_version(order, Versions(tmp_path / "ray"), ranks=on_ray, tell=silent)
    assert theirs.manifest.shards == ours.manifest.shards
