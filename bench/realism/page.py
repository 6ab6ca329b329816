"""The card as one self-contained page: the rows with their details, and the distributions. Same card, same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from bench.realism.card import Card, Line
from bench.realism.plots import COLOURS, figure_of
from bench.realism.targets import SOURCES
from bench.realism.terminal import accepted_of, value_of
from bench.report.self_contained import fill, write_whole

_HERE = Path(__file__).parent
SCHEMA_VERSION = 1
PAGE_FILE, JSON_FILE = "realism.html", "card.json"


def write_card(card: Card, folder: Path) -> Path:
    """Write page and figures into a folder, which may exist, and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(card, folder / JSON_FILE)
    return write_whole(folder / PAGE_FILE, page(card))


def write_json(card: Card, file: Path) -> Path:
    """Write the figures by name."""
    return write_whole(file, to_json(card))


def to_json(card: Card) -> str:
    """Return the rows and drawn distributions as JSON; null is a side without bound, a value or verdict not given."""
    rows = {line.target.id: _row(line) for line in card.lines}
    compared = {line.target.id: _row(line) | {"verdict": None} for line in card.compared}
    content = {
        "schema_version": SCHEMA_VERSION,
        "name": card.name,
        "preset": card.preset,
        "size": card.size,
        "counts": card.counts(),
        "rows": rows,
        "for_comparison": compared,
        "drawings": {drawing.anchor: asdict(drawing) for drawing in card.drawings},
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _row(line: Line) -> dict[str, str | float | None]:
    target = line.target
    bounded = {
        "low": None if target.low == float("-inf") else target.low,
        "high": None if target.high == float("inf") else target.high,
    }
    return {
        "statistic": target.statistic,
        "unit": target.unit,
        "value": line.value,
        "verdict": line.verdict,
        "detail": line.detail,
        "published": target.published,
        **bounded,
        "source": SOURCES[target.source],
    }


def page(card: Card) -> str:
    """Return the page as text."""
    return fill(
        _HERE / PAGE_FILE,
        card=card,
        figures=[(drawing, figure_of(drawing)) for drawing in card.drawings],
        colours=COLOURS,
        sources=SOURCES,
        value_of=value_of,
        accepted_of=accepted_of,
    )
