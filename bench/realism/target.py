"""What a row of the table of targets says, and how a value is judged against it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from simulator.spec import Preset

PRESETS: tuple[Preset, ...] = get_args(Preset)
BOTH: tuple[Preset, ...] = PRESETS
FEED: tuple[Preset, ...] = ("note-feed",)
COLUMN: tuple[Preset, ...] = ("single-column",)

Origin = Literal["log", "arms", "absent"]  # computed from a log; from paired arms of an experiment; not modelled
Unit = Literal["share", "ratio", "exponent", "KS", "AIC", "days", "hours", "count", "steps", "index"]


@dataclass(frozen=True, slots=True)
class Target:
    """One statistic with what was published of it and the band [low, high) in which a world's value is accepted.

    A band of (-inf, inf) is no target: the value is reported. `remark` is shown beside the band; of a statistic that
    is absent it is the reason.
    """

    id: str
    statistic: str
    unit: Unit
    published: str
    source: str
    presets: tuple[Preset, ...]
    low: float = -inf
    high: float = inf
    origin: Origin = "log"
    remark: str = ""

    @property
    def has_band(self) -> bool:
        """Whether there is a bound at all."""
        return self.low > -inf or self.high < inf

    def accepts(self, value: float) -> bool:
        """Say whether a value is in the band."""
        return self.low <= value < self.high

    def band(self) -> str:
        """Write the band as text, empty where there is none."""
        if not self.has_band:
            return ""
        if self.low == -inf:
            return f"< {shown(self.high, self.unit)}"
        if self.high == inf:
            return f"≥ {shown(self.low, self.unit)}"
        low = number(self.low, self.unit)
        return f"{low} to {shown(self.high, self.unit)}"


def number(value: float, unit: Unit) -> str:
    """Write a value to three significant digits, shares in percent, without the unit."""
    scaled = 100.0 * value if unit == "share" else value
    return f"{scaled:,.0f}" if abs(scaled) >= 1_000 else f"{scaled:.3g}"


def shown(value: float, unit: Unit) -> str:
    """Write a value with its unit."""
    suffix = {"share": " %", "days": " days", "hours": " h", "ratio": " x"}.get(unit, "")
    return number(value, unit) + suffix


def around(published: float, within: float = 0.25) -> tuple[float, float]:
    """Return the band within a share of a published value, by default the notes' 25 %."""
    return published * (1.0 - within), published * (1.0 + within)
