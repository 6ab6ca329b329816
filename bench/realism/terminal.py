"""The card on a terminal: the rows of the preset with their verdicts, those of the other for comparison, counts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.realism.card import Card, Line
from bench.realism.target import shown

WIDTHS = (32, 10, 22, 17, 14, 15)  # with the gaps between them 120
COLOURS = {
    "pass": "green",
    "FAIL": "bold red",
    "no target": "dim",
    "not measurable": "yellow",
    "run the arms": "yellow",
}


def render(card: Card) -> RenderableType:
    """Return the tables and the counts."""
    title = Text(f"realism of {card.name}, preset {card.preset}", style="bold")
    parts: list[RenderableType] = [title.append(f"\n{card.size}", "not bold dim"), _table(card.lines, judged=True)]
    if card.compared:
        parts += [
            Text("\nfor comparison: no targets of this preset", style="bold"),
            _table(card.compared, judged=False),
        ]
    return Group(*parts, Text(), _counts(card))


def value_of(line: Line) -> str:
    """Write the value of a row, - where there is none."""
    return "-" if line.value is None else shown(line.value, line.target.unit)


def accepted_of(line: Line) -> str:
    """Write the band of a row and what must be said of it."""
    remark = line.target.remark if line.target.origin != "absent" else ""
    return " ".join(part for part in (line.target.band(), f"({remark})" if remark else "") if part) or "-"


def _table(lines: Sequence[Line], *, judged: bool) -> Table:
    out = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
    headings = ("statistic", "this world", "published", "accepted band", "source", "verdict" if judged else "")
    for place, (heading, width) in enumerate(zip(headings, WIDTHS, strict=True)):
        out.add_column(heading, width=width, overflow="fold", justify="right" if place == 1 else "left")
    for line in lines:
        target = line.target
        out.add_row(
            target.statistic, value_of(line), target.published, accepted_of(line), target.source, _verdict(line, judged)
        )
    return out


def _verdict(line: Line, judged: bool) -> Text:
    """Return the verdict, with its reason where there is no value; without verdict only the reason."""
    reason = line.detail if line.value is None else ""
    if not judged:
        return Text(reason, style="dim")
    text = Text(line.verdict, style=COLOURS[line.verdict])
    return text.append(f": {reason}", style="not bold dim") if reason else text


def _counts(card: Card) -> Text:
    text = Text()
    for verdict, n in card.counts().items():
        text.append(f"{n} {verdict}   ", style=COLOURS[verdict])
    return text
