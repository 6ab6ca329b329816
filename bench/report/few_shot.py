"""The area under a few-shot curve: one number for how well a method does from nothing known to twenty clicks.

The curve is a family's primary metric against j, the clicks known of what is cold; the area is the trapezium rule on
log(1 + j), over the span of the settings, so that it reads as the curve's mean height.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise

_FIRST = re.compile(r"/j(?P<first>\d+)@v\d+$")


def clicks_known(task: str) -> int | None:
    """Return the j of a task's id, None where it has none."""
    found = _FIRST.search(task)
    return None if found is None else int(found["first"])


def area(value_of: Mapping[int, float]) -> float:
    """Return the area of a curve, j -> value, over its span; there are at least two points."""
    points = sorted((math.log1p(j), value) for j, value in value_of.items())
    if len(points) < 2:
        raise ValueError(f"curve: expected at least two points, got {len(points)}")
    pairs = list(pairwise(points))
    whole = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairs)
    return whole / (points[-1][0] - points[0][0])
