"""The author encoder's commands, as the pages print them: they parse, fit each other, and do what is said of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bench.cli import app
from methods.author_encoder.launch import read_job
from methods.author_encoder.learning import LearningConfig

ROOT = Path(__file__).parents[1]
DOCS = "docs/author-encoder"
PAGES = ("README.md", f"{DOCS}/daily.md", f"{DOCS}/method.md", f"{DOCS}/training.md")
CHAINED = PAGES[:3]  # which print more than one link, with names of folders
LIKE = "methods.author_encoder.preparing:like_the_method"
# who reads a folder, by which option, who writes it, by which option
LINKS = (
    ("prepare-author-encoder", "--dataset", "simulate", "--out"),
    ("train-author-encoder", "--dataset", "prepare-author-encoder", "--out"),
    ("export-author-encoder", "--dataset", "prepare-author-encoder", "--out"),
    ("export-author-encoder", "--out", "train-author-encoder", "--out"),
    ("embed-authors", "--encoder", "export-author-encoder", "--to"),
    ("embed-authors", "--dataset", "simulate", "--out"),
)


def commands(page: str) -> list[list[str]]:
    """Return the words of each command that stands in a block of its own, without comments."""
    whole = re.sub(r"\\\n\s*", " ", (ROOT / page).read_text())
    found = re.findall(r"^    (?:\.venv/bin/)?coldrecall (.*)$", whole, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in found]


def values(page: str, command: str, option: str, *, beside: str = "") -> list[str]:
    """Return what the page's uses of a command give an option, those in capitals left out."""
    uses = [words for words in commands(page) if words[0] == command and option in words]
    given = [words[words.index(option) + 1] for words in uses if not beside or beside in words]
    return [value for value in given if not value.isupper()]


@pytest.mark.parametrize("page", PAGES)
def test_every_printed_command_parses(page: str) -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    for name, *words in commands(page):
        known[name].make_context(name, words)


@pytest.mark.parametrize("page", CHAINED)
def test_each_command_reads_what_another_wrote_and_the_world_has_texts(page: str) -> None:
    read = 0
    for reader, into, writer, out in LINKS:
        written = values(page, writer, out, beside="--texts" if writer == "simulate" else "")
        for folder in values(page, reader, into):
            assert folder in written, f"{reader} {into} {folder}: no {writer} {out} of it"
            read += 1
    assert read >= 3


@pytest.mark.parametrize("page", CHAINED)
def test_the_command_that_trains_as_the_method_does_has_the_methods_config(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (words,) = [words for words in commands(page) if LIKE in words]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*words, "--job", "job.json"])
    assert done.exit_code == 0, done.output
    job = read_job(tmp_path / "job.json")
    assert (job.maker, job.training) == (LIKE, LearningConfig().training)
