"""The command `coldrecall claims`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bench.claims.claims import Claim, claims_of
from bench.report import load_run
from bench.report.terminal import console


def claims(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write each claim to, a line each.")] = None,
) -> None:
    """Check what a run must show whatever its methods' merits; exit with 1 where something does not hold."""
    found = list(claims_of(load_run(run)))
    if not found:
        raise ValueError(f"{run}: expected a run with values of known tasks, got none")
    console().print(render(found))
    if json_file is not None:
        json_file.write_text("".join(f"{claim.as_line()}\n" for claim in found))
    if not all(claim.holds for claim in found):
        raise typer.Exit(1)


def render(found: Sequence[Claim]) -> Table:
    """Return a row a claim, with the cell nearest to its bound or farthest beyond it; then all that do not hold."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="underline")
    for name in ("claim", "cells", "hold", "nearest", "task", "method", "seed"):
        table.add_column(name, justify="left" if name in ("claim", "task", "method") else "right", no_wrap=True)
    for name in dict.fromkeys(claim.claim.partition(":")[0] for claim in found):
        own = [claim for claim in found if claim.claim.partition(":")[0] == name]
        _add(table, name, own, min(own, key=_room))
    broken = [claim for claim in found if not claim.holds]
    if broken:
        table.add_section()
        for claim in broken:
            _add(table, claim.claim, [claim], claim)
    return table


def _room(claim: Claim) -> float:
    """Return how far a value is from its nearest bound, below zero beyond it."""
    room = [claim.value - claim.least] if claim.least is not None else []
    return min([*room, claim.most - claim.value] if claim.most is not None else room)


def _add(table: Table, name: str, own: Sequence[Claim], shown: Claim) -> None:
    holding = sum(claim.holds for claim in own)
    cells = (f"{len(own):,}", f"{holding:,}", f"{shown.value:.4g}", shown.task, shown.method, str(shown.seed))
    table.add_row(name, *cells, style=None if holding == len(own) else "red")
