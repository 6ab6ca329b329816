"""Who gets the places of lists, and how long a note waits for its first impressions.

Pure functions, NaN where undefined, nothing rounded. Shapes: Q requests, K list length, T targets, J notes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.ratios import ratios
from bench.readings.concentration import excess, gini, random_list_gini
from bench.readings.result import ratio
from bench.readings.survival import NEVER
from bench.readings.window import HOUR_SECONDS

HORIZON_HOURS = 72


def exposure_share(ids_QK: NDArray[np.int32], bucket_T: NDArray[np.bool_], *, k: int) -> NDArray[np.float64]:
    """Return the share of the filled places that the bucket holds; undefined for an empty list."""
    ids_QK = ids_QK[:, :k]
    filled_QK = ids_QK >= 0
    return ratios((bucket_T[ids_QK] & filled_QK).sum(axis=1), filled_QK.sum(axis=1))


def coverage(ids_QK: NDArray[np.int32], bucket_T: NDArray[np.bool_], *, k: int) -> float:
    """Return the share of the bucket that is in at least one list; undefined for an empty bucket."""
    return ratio(int((_places(ids_QK[:, :k], len(bucket_T)) > 0)[bucket_T].sum()), int(bucket_T.sum()))


def exposure_gini(ids_QK: NDArray[np.int32], bucket_T: NDArray[np.bool_], *, k: int) -> float:
    """Return how unevenly the places that the bucket gets fall on its targets, 0 as by even chance, 1 all on one.

    (G - E[G]) / ((n - 1) / n - E[G]) with E[G] that of random lists with as many places for the bucket. Undefined where
    nothing of the bucket is listed.
    """
    ids_QK = ids_QK[:, :k]
    places_B = _places(ids_QK, len(bucket_T))[bucket_T]
    by_chance = random_list_gini(len(places_B), (bucket_T[ids_QK] & (ids_QK >= 0)).sum(axis=1))
    return excess(gini(places_B), by_chance, len(places_B))


def hours_to(
    wait_J: NDArray[np.int64], age_J: NDArray[np.int64], *, horizon: int = HORIZON_HOURS
) -> NDArray[np.float64]:
    """Return min(wait, horizon) in hours for each note, from waits and ages at the end of the log in seconds.

    `wait_J` is the time from birth to the m-th impression, `NEVER` where that was not seen: `bench.readings.waiting`
    counts it. Undefined for notes younger than the horizon, so that no value is censored; the mean is the restricted
    mean, doi:10.1186/1471-2288-13-152.
    """
    seconds = horizon * HOUR_SECONDS
    spell_J = np.where(wait_J == NEVER, seconds, np.minimum(wait_J, seconds)) / HOUR_SECONDS
    return np.where(age_J >= seconds, spell_J, np.nan)


def _places(ids_QK: NDArray[np.int32], n_targets: int) -> NDArray[np.int64]:
    """Return how many lists hold each target."""
    return np.bincount(ids_QK[ids_QK >= 0], minlength=n_targets)
