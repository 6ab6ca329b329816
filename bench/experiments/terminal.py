"""The tables of experiments as they are printed."""

from __future__ import annotations

from rich.table import Table

from bench.experiments.guarantee import GuaranteeTable
from bench.stats import Interval


def render(found: GuaranteeTable) -> Table:
    """Return the effects of the guarantee, one row a reading."""
    seeds = ", ".join(map(str, found.seeds))
    table = Table(title=f"fresh guarantee  world {found.world}, seeds {seeds}; effect against none ± half the 95 %")
    table.add_column("reading")
    table.add_column("none", justify="right")
    for arm in next(iter(found.effect.values())):
        table.add_column(arm, justify="right")
    for name, effects in found.effect.items():
        table.add_row(name, f"{found.level[name]:.4g}", *(percent(effect) for effect in effects.values()))
    return table


def percent(effect: Interval) -> str:
    """Write a relative effect with half its interval."""
    if effect.mean is None:
        return "-"
    if effect.low is None or effect.high is None:
        return f"{100 * effect.mean:+.2f} %"
    return f"{100 * effect.mean:+.2f} ± {50 * (effect.high - effect.low):.2f} %"
