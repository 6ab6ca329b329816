"""Every method has a card whose fixtures exist and whose references are its module's; the page is what is there."""

import ast
import inspect
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cards import page
from bench.cli import app
from bench.parity import TARGETS
from methods.cards import CARDS
from methods.registry import METHODS

ROOT = Path(__file__).parents[1]
SOURCE = re.compile(r"doi:[\w./-]+\w|arXiv:[\d.]+\d|github\.com/[\w./-]+\w|docs/\w+\.md")


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_method_has_a_card_and_no_card_is_of_another() -> None:
    assert list(CARDS) == list(METHODS)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_whole_and_its_fixtures_are_tests_that_there_are(name: str) -> None:
    card = CARDS[name]
    assert card.reference
    assert card.tolerance
    assert card.fixtures
    for fixture in card.fixtures:
        file, _, test = fixture.partition("::")
        assert test.startswith("test_")
        assert test in functions_of(file)


@pytest.mark.parametrize("name", CARDS)
def test_a_reference_is_one_that_the_module_names(name: str) -> None:
    module = import_module(METHODS[name].partition(":")[0])
    said = re.sub(r"\s+", " ", inspect.getdoc(module) or "")
    found = SOURCE.findall(CARDS[name].reference)
    assert found or CARDS[name].reference.startswith("none: ") or name in ("popular-all", "dropoutnet")
    for source in found:
        assert source in said


def test_the_page_of_baselines_is_what_the_command_writes() -> None:
    written = CliRunner().invoke(app, ["methods", "--cards"], catch_exceptions=False).output
    assert (ROOT / "docs" / "baselines.md").read_text() == written


def test_the_page_has_every_method_and_every_row_of_print_once() -> None:
    lines = page().splitlines()
    heads = [name for line in lines if line.startswith("## ") for name in line[3:].split(", ")]
    assert sorted(heads) == sorted(METHODS)
    rows = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in lines if "@v1" in line]
    assert sorted(rows) == sorted((target.task, target.method, target.metric) for target in TARGETS)


def test_one_card_has_the_rows_of_print_of_its_trials_too() -> None:
    said = CliRunner().invoke(app, ["methods", "aldi"], catch_exceptions=False).output
    assert said.startswith("## aldi\n")
    assert "| citeulike/cold@v1 | aldi/soft teacher | cold_only_recall@20 | 0.2684 | 2% |" in said
    assert said.count("## ") == 1


def test_a_card_of_no_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"method: expected one of random, .*, got no-such"):
        page(["aldi", "no-such"])
