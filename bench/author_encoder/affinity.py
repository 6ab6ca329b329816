"""The truth about two authors: how alike their readers' likings are, in the world as it is made.

A user u likes a note of author a, on the scale of the world's affinity, by taste_u . topic + style_u . style. With an
author's vector its mean topic (both halves) and its style, and likings centred over users, the cosine of two authors in
the metric of the users' covariance is the correlation over all users of their likings: 1 where whoever likes one likes
the other as much. Quality, age and readiness to click are no part of it. Shapes: A authors, U users, F latent size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.population import draw_population
from simulator.spec import WorldSpec


def true_vectors(spec: WorldSpec, *, seed: int) -> NDArray[np.float64]:
    """Return a unit vector for each author of a world, (A, F)."""
    population = draw_population(spec, seed)
    people, creators = population.people, population.creators
    topics_AM = np.maximum(creators.topics_AM, 0)  # a pad has share 0
    topic_AD = np.einsum("am,amd->ad", creators.topic_share_AM, population.topic_DT.T[topics_AM].astype(np.float64))
    author_AF = np.concatenate([topic_AD, creators.style_AS], axis=1)
    liking_UF = np.concatenate([people.taste_UD, people.style_US], axis=1).astype(np.float64)
    value_F, axis_FF = np.linalg.eigh(np.cov(liking_UF, rowvar=False))
    vector_AF = author_AF @ (axis_FF * np.sqrt(np.maximum(value_F, 0.0)))
    unit_AF: NDArray[np.float64] = vector_AF / np.linalg.norm(vector_AF, axis=1, keepdims=True)
    return unit_AF


def cosines(
    unit_AF: NDArray[np.float64], first_P: NDArray[np.integer], second_P: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows."""
    return np.asarray(np.einsum("pf,pf->p", unit_AF[first_P], unit_AF[second_P]))
