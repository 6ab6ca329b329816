"""What `train-author-encoder` learnt reaches the daily job by commands alone, with the prompts of its training."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import AutoTokenizer
from typer.testing import CliRunner

from bench.cli import app
from methods.author_encoder import export, launch, preparing
from methods.author_encoder.daily.manifest import Version, Versions
from methods.author_encoder.daily.shards import CATEGORY_MEAN, ENCODED
from methods.author_encoder.daily.store import LocalStore
from methods.author_encoder.daily.trained import as_trained
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.exporting import export_run
from methods.author_encoder.prepared import read_prepared
from methods.author_encoder.prompt_files import read_config
from methods.author_encoder.readers import readers_of
from methods.author_encoder.tokens import TokenTable
from methods.naming import function_named
from simulator import dataset
from simulator.schema import Observation, StoredTexts, Texts
from tests.checkerboard import checkerboard
from tests.test_author_encoder_preparing import QUICK

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
MAKERS = ("like_the_method", pytest.param("with_adapters", marks=pytest.mark.slow))
ROOM = 70  # tokens: some prompts here are longer, and are cut by what the tokenizer counts
LOOSE = ("max_mean_length=1", "max_category_psi=10", "min_ann_recall=0")


def typed(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def here(body: Callable[..., None], given: tuple[Any, ...], n_ranks: int, start_method: str) -> None:
    """Run the one rank in this process, in place of a new one that imports everything again."""
    assert (n_ranks, start_method) == (1, "spawn")
    body(0, *given)


def world() -> Observation:
    """A world with an author who writes what looks like a special token."""
    seen = checkerboard()
    profiles = seen.catalog.authors.profile.take(np.arange(len(seen.catalog.authors), dtype=np.int32))
    authors = replace(seen.catalog.authors, profile=StoredTexts.of(["end <|endoftext|> of text", *profiles[1:]]))
    return replace(seen, catalog=replace(seen.catalog, authors=authors))


@pytest.fixture(scope="module", params=MAKERS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world, what was prepared of it, and two steps trained on that."""
    folder, maker = tmp_path_factory.mktemp("chain"), f"methods.author_encoder.preparing:{request.param}"
    dataset.write(folder / "world", world(), name="checkerboard", origin={})
    config = replace(QUICK, prompt=replace(QUICK.prompt, max_tokens=ROOM))
    seen = dataset.read(folder / "world").observation
    preparing.prepare(seen, preparing.Found(readers_of(seen, config.pairs)), config, folder / "prepared", seed=1)
    words = ("--engine", "plain", "--steps", "2", "--batch", "8", "--learning-rate", "0.03", "--encoder", maker)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            patch.setenv(name, "")  # so that what the rank sets is taken back
        patch.setenv("LOCAL_WORLD_SIZE", "1024")  # one thread
        patch.setattr(launch, "start_processes", here)
        typed("train-author-encoder", "--dataset", folder / "prepared", "--out", folder / "run", *words)
    return folder


def encoded(place: Path, *, trained: bool = True) -> NDArray[np.float32]:
    """Return the vectors of all authors by the encoder itself, from the tokens that it was trained on."""
    job, tokens = launch.read_job(place / "run" / "adapter" / "job.json"), read_prepared(place / "prepared").tokens
    encoder: Encoder = function_named("encoder", job.maker)(place / "prepared" / "backbone", 1)
    if trained:
        export.read(encoder, place / "run" / "adapter")
    return encoder.encode(tokens, np.arange(len(tokens)), n_threads=1)


def exported(place: Path, to: Path) -> Path:
    typed("export-author-encoder", "--dataset", place / "prepared", "--out", place / "run", "--to", to)
    return to


def test_the_daily_job_gives_the_vectors_that_training_had(place: Path, tmp_path: Path) -> None:
    to, out = exported(place, tmp_path / "exported"), tmp_path / "vectors"
    loose = [word for name in LOOSE for word in ("--threshold", name)]
    typed("embed-authors", "--dataset", place / "world", "--encoder", to, "--out", out, "--index", "flat", *loose)
    ours_AD = encoded(place)
    found = LocalStore(out / "store").get(np.arange(len(ours_AD)))
    half = 2.0**-11  # what float16 leaves out
    np.testing.assert_allclose(found.vectors_QD.astype(np.float32), ours_AD, atol=1e-4, rtol=half)
    assert np.abs(encoded(place, trained=False) - ours_AD).max() > 0.01
    assert json.loads((out / "runs.jsonl").read_text())["model"] == "exported"


def test_the_prompts_of_a_folder_are_cut_and_worded_as_those_of_training(place: Path, tmp_path: Path) -> None:
    to, seen = exported(place, tmp_path / "exported"), dataset.read(place / "world").observation
    ids_A = np.arange(len(seen.catalog.authors), dtype=np.int32)
    tokenizer = AutoTokenizer.from_pretrained(place / "prepared" / "backbone", local_files_only=True)
    again = TokenTable.of(as_trained(seen, ids_A, to), tokenizer, max_tokens=ROOM)
    trained = read_prepared(place / "prepared").tokens
    np.testing.assert_array_equal(again.ids_T, trained.ids_T)
    np.testing.assert_array_equal(again.offsets_S, trained.offsets_S)
    assert read_config(to) == replace(QUICK.prompt, max_tokens=ROOM, language="english")


def silenced(seen: Observation, author: int) -> Observation:
    """Return the world with nothing written by or about the author."""
    authors, notes = seen.catalog.authors, seen.catalog.notes

    def without(texts: Texts, gone_X: NDArray[np.bool_]) -> StoredTexts:
        whole = texts.take(np.arange(len(gone_X), dtype=np.int32))
        return StoredTexts.of(["" if gone else text for text, gone in zip(whole, gone_X, strict=True)])

    own_N = notes.author_N == author
    notes = replace(notes, title=without(notes.title, own_N), body=without(notes.body, own_N))
    authors = replace(authors, profile=without(authors.profile, np.arange(len(authors)) == author))
    return replace(seen, catalog=replace(seen.catalog, authors=authors, notes=notes))


def test_an_author_of_whom_nothing_is_written_gets_the_mean_of_its_category(place: Path, tmp_path: Path) -> None:
    to, out, quiet = exported(place, tmp_path / "exported"), tmp_path / "vectors", 3
    dataset.write(tmp_path / "world", silenced(world(), quiet), name="checkerboard", origin={})
    loose = [word for name in LOOSE for word in ("--threshold", name)]
    typed("embed-authors", "--dataset", tmp_path / "world", "--encoder", to, "--out", out, "--index", "flat", *loose)
    fill_A = np.concatenate([block.fill_A for block in Version.open(Versions(out).folder(1)).blocks()])
    expected_A = np.full(len(fill_A), ENCODED)
    expected_A[quiet] = CATEGORY_MEAN
    np.testing.assert_array_equal(fill_A, expected_A)


def test_an_export_without_what_it_is_made_of_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"to: expected a folder that does not exist yet, got .*run"):
        exported(place, place / "run")
    (tmp_path / "prepared").mkdir()
    with pytest.raises(ValueError, match=r"prompt\.json: expected the config of prompts, got no file"):
        export_run(tmp_path / "prepared", place / "run", tmp_path / "to")
    (tmp_path / "prepared" / "prompt.json").write_text('{"titles": 3}')
    with pytest.raises(ValueError, match=r"prompt\.json: expected the config of prompts, got .*titles"):
        export_run(tmp_path / "prepared", place / "run", tmp_path / "to")
    with pytest.raises(ValueError, match=r"job\.json: expected what training to the end leaves, got no file"):
        export_run(place / "prepared", tmp_path, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_an_encoder_of_another_make_is_not_exported(place: Path, tmp_path: Path) -> None:
    job = launch.read_job(place / "run" / "adapter" / "job.json")
    (tmp_path / "adapter").mkdir()
    launch.write_job(replace(job, maker="tests.author_encoder_tiny:make"), tmp_path / "adapter" / "job.json")
    with pytest.raises(
        ValueError, match=r"encoder: expected methods\.author_encoder\.encoder\.Encoder, got TinyEncoder"
    ):
        export_run(place / "prepared", tmp_path, tmp_path / "to")


@pytest.mark.parametrize("maker", ["nosuch:fn", "methods.author_encoder.preparing:nosuch", "methods/encoder.py:fn"])
def test_a_maker_that_is_not_there_is_refused_before_any_rank_starts(
    maker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "start_processes", lambda *_, **__: pytest.fail("ranks were started"))
    message = f"encoder: expected package.module:function that can be imported, got '{maker}'"
    with pytest.raises(ValueError, match=re.escape(message)):
        typed("train-author-encoder", "--dataset", tmp_path, "--out", tmp_path / "run", "--encoder", maker)
