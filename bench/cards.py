"""Cards of methods as a page: reference, fixtures, tolerance, and the rows of print that hold the method on real logs.

`coldrecall methods --cards` writes it, and docs/baselines.md is what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.parity import TARGETS, Target
from methods.cards import CARDS
from methods.registry import METHODS

HEAD = """# Baselines, a card each

What `coldrecall methods --cards` writes; `coldrecall methods NAME` prints one. *Reference* is the paper or public
implementation that is followed, *fixture* the tests that hold the method to a known answer or to a slow and plain
reference, *tolerance* what they allow. Rows of print are those of `coldrecall parity`, on recorded logs; how far ours
may be from them is relative. Configs of one class share a card."""


def page(names: Sequence[str] = ()) -> str:
    """Return the cards of `names` as Markdown, of all methods under a head where none is named.

    Raises ValueError for a name without a card.
    """
    if unknown := [name for name in names if name not in CARDS]:
        raise ValueError(f"method: expected one of {', '.join(CARDS)}, got {', '.join(unknown)}")
    wanted = {CARDS[name]: None for name in names or METHODS}
    sections = ["\n".join(_lines([name for name in METHODS if CARDS[name] is card])) for card in wanted]
    return "\n\n".join([*([] if names else [HEAD]), *sections])


def _lines(names: Sequence[str]) -> Iterable[str]:
    """Yield the lines of the card that these methods share."""
    card = CARDS[names[0]]
    yield f"## {', '.join(names)}"
    yield ""
    yield f"- class: {', '.join(dict.fromkeys(f'`{METHODS[name]}`' for name in names))}"
    yield f"- reference: {card.reference}"
    for fixture in card.fixtures:
        yield f"- fixture: `{fixture}`"
    yield f"- tolerance: {card.tolerance}"
    rows = [target for target in TARGETS if target.method.partition("/")[0] in names]
    if not rows:
        yield "- print: no row of `coldrecall parity`"
        return
    yield ""
    yield "| task | method | metric | print | within | of |"
    yield "|---|---|---|---:|---:|---|"
    yield from map(_row, rows)


def _row(target: Target) -> str:
    cells = (f"{target.value:.4f}", f"{target.tolerance:.0%}", target.source)
    return f"| {' | '.join((target.task, target.method, target.metric, *cells))} |"
