"""Topics and personas: what there is to like, and who tends to like what together.

Shapes: T topics, P personas, D latent size (a semantic half and a collaborative half). The semantic half is a tree,
category centre + topic offset; the collaborative half comes from personas, which cross categories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.luck import generator
from simulator.sizes import N_CATEGORIES, N_TOPICS, TOPICS_PER_CATEGORY
from simulator.spec import Affinity

HALF = 32


@dataclass(frozen=True, slots=True, eq=False)
class Topics:
    """Unit latent vectors of the topics, and each persona's distribution over them."""

    semantic_TH: NDArray[np.float64]
    collaborative_TH: NDArray[np.float64]
    persona_PT: NDArray[np.float64]
    persona_share_P: NDArray[np.float64]
    popularity_T: NDArray[np.float64]


def draw_topics(spec: Affinity, seed: int) -> Topics:
    """Draw the topics of a world."""
    rng = generator(seed, "topics")
    centre_CH = rng.normal(size=(N_CATEGORIES, HALF))
    offset_TH = rng.normal(size=(N_TOPICS, HALF))
    semantic_TH = _unit(np.repeat(centre_CH, TOPICS_PER_CATEGORY, axis=0) + 0.8 * offset_TH)
    popularity_T = rng.dirichlet(np.full(N_TOPICS, 2.0))
    persona_PT = np.zeros((spec.n_personas, N_TOPICS))
    for weight_T in persona_PT:
        liked = rng.choice(N_TOPICS, size=spec.topics_per_persona, replace=False, p=popularity_T)
        weight_T[liked] = rng.dirichlet(np.full(spec.topics_per_persona, 2.0))
    vector_PH = rng.normal(size=(spec.n_personas, HALF))
    # A topic no persona holds still has a place of its own.
    collaborative_TH = _unit((persona_PT > 0).T.astype(float) @ vector_PH + 0.3 * rng.normal(size=(N_TOPICS, HALF)))
    persona_share_P = rng.dirichlet(np.full(spec.n_personas, 3.0))
    return Topics(semantic_TH, collaborative_TH, persona_PT, persona_share_P, popularity_T)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled
