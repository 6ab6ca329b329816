"""What cold-start models stand on: factors learnt from clicks, and features of what was published.

Shapes: U users, T targets, Q requests, F factors, X features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.als import ALSConfig, FoldedALS, LearntALS
from methods.factors import unit
from methods.features import FeatureConfig, Features
from methods.interactions import clicks, n_users_of
from simulator.schema import Kind, Observation, Requests


@dataclass(frozen=True, slots=True)
class GroundConfig:
    """The factors and the features."""

    als: ALSConfig = field(
        default_factory=lambda: ALSConfig(factors=64, regularization=10.0, alpha=10.0, iterations=10)
    )
    features: FeatureConfig = field(default_factory=FeatureConfig)


WIDE = GroundConfig(ALSConfig(factors=128, regularization=10.0, alpha=10.0, iterations=10))


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Both, as fitted. A user or target without clicks has zeros for factors."""

    target: Kind
    learnt: LearntALS
    features: Features
    fitted_TX: NDArray[np.float32]

    @classmethod
    def learn(
        cls, seen: Observation, config: GroundConfig, *, target: Kind, rng: np.random.Generator, threads: int
    ) -> Ground:
        """Factorise the clicks and fit the features."""
        learnt = LearntALS.learn(clicks(seen, target=target), config.als, rng=rng, threads=threads)
        features = Features.learn(seen, config.features, target=target, rng=rng)
        return cls(target, learnt, features, features.of(seen))

    @property
    def users_UF(self) -> NDArray[np.float32]:
        """The users' factors at the fit."""
        users_UF: NDArray[np.float32] = self.learnt.model.user_factors
        return users_UF

    @property
    def items_TF(self) -> NDArray[np.float32]:
        """The targets' factors at the fit."""
        items_TF: NDArray[np.float32] = self.learnt.model.item_factors
        return items_TF

    def now(self, seen: Observation) -> Standing:
        """Fold in new clicks and read new texts."""
        counts_UT = clicks(seen, target=self.target)
        return Standing(self.learnt.folded(counts_UT), n_users_of(counts_UT), self.features.of(seen))


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The factors, how many users clicked each target, and the features, of now."""

    folded: FoldedALS
    n_users_T: NDArray[np.int64]
    features_TX: NDArray[np.float32]

    @property
    def items_TF(self) -> NDArray[np.float32]:
        """The targets' factors of now."""
        items_TF: NDArray[np.float32] = self.folded.model.item_factors
        return items_TF


def answers(
    requests: Requests, users_of: Callable[[NDArray[np.int32]], NDArray[np.float32]], items_TF: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return scores (Q, T): dot products with the vectors of users who ask, cosines for a target that asks."""
    if requests.query == "user":
        return users_of(requests.ids_Q) @ items_TF.T
    unit_TF = unit(items_TF)
    return unit_TF[requests.ids_Q] @ unit_TF.T
