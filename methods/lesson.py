"""What a model over factors and features learns from, as tensors. U users, T targets, F factors, X features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from methods.gradient import Clicked, tensor
from methods.ground import Ground


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """The clicked pairs, the factors of both sides, and the features of the targets."""

    clicked: Clicked
    users_UF: Tensor
    items_TF: Tensor
    features_TX: Tensor

    @classmethod
    def of(cls, ground: Ground, *, user_scale: float = 1.0, item_scale: float = 1.0) -> Lesson:
        """Take what `ground` was fitted on, each side's factors times its scale."""
        return cls(
            Clicked.of(ground.learnt.clicks_UT),
            tensor(ground.users_UF) * user_scale,
            tensor(ground.items_TF) * item_scale,
            tensor(ground.fitted_TX),
        )
