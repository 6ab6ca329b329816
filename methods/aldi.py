"""ALDI: a student that knows a target's content alone is aligned with the teacher that knows its clicks.

The student's towers f(x_u), g(content_t) minimise, over (u, t clicked, s not), with scores z of the student and w of
the teacher, BPR -log sigmoid(z_ut - z_us), plus three distances to the teacher:
    rating          gamma (|w_ut - z_ut| + |w_us - z_us|)
    ranking         alpha  H(sigmoid(w_ut - w_us), sigmoid(z_ut - z_us))
    identification  beta   H(sigmoid(d_teacher), sigmoid(d_student)), d = t t - mean over the batch's s of t s
H is the cross entropy. A target with clicks is scored by the teacher, one without by the student.

References: Huang et al. 2023, doi:10.1145/3539618.3591732; weights as in github.com/zfnWong/ALDI, which has them from
the validation of CiteULike. Its teacher is BPR; ours is ALS, whose scores lie about 0..1 and are scaled to logits.
Shapes: U users, T targets, B rows, F factors, X features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Budget, Capabilities
from methods.factors import unit
from methods.gradient import Dense, Schedule, descend, plain, tensor, threads, torch_luck
from methods.ground import Ground, GroundConfig
from methods.interactions import FROM_USERS_AND_AUTHORS
from methods.lesson import Lesson
from methods.ranking import rank
from simulator.schema import Kind, Observation, Requests, Slates


@dataclass(frozen=True, slots=True)
class ALDIConfig:
    """The student and how far it is to follow the teacher."""

    ground: GroundConfig = field(default_factory=GroundConfig)
    teacher_scale: float = 10.0  # logits in one unit of the teacher's score
    alpha: float = 0.9  # ranking
    beta: float = 0.05  # identification
    gamma: float = 0.1  # rating
    l2: float = 1e-4  # on the student's vectors
    min_users: int = 10  # clicked by fewer, a target is new: the teacher says nothing of it
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=30, batch=2_048, weight_decay=1e-4))


BASE = ALDIConfig()
PRINTED = replace(BASE, min_users=1)  # one click makes a target an old one
TRIALS = {
    "base": BASE,
    "clicked once": PRINTED,
    "soft teacher": replace(PRINTED, teacher_scale=3.0),
    "sharp teacher": replace(PRINTED, teacher_scale=30.0),
    "long": replace(PRINTED, schedule=replace(PRINTED.schedule, most_steps=2_000)),
}


class ALDI:
    """Rank candidates by the teacher where there are clicks enough, by the student elsewhere."""

    capabilities: ClassVar[Capabilities] = Capabilities(FROM_USERS_AND_AUTHORS, cold_targets=True, cold_queries=True)

    def __init__(self, config: ALDIConfig = ALDIConfig()) -> None:
        self.config = config

    def fit(self, seen: Observation, *, target: Kind, rng: np.random.Generator, budget: Budget) -> None:
        """Factorise the clicks, then align the student."""
        self.n_threads_ = budget.threads
        self.ground_ = Ground.learn(seen, self.config.ground, target=target, rng=rng, threads=budget.threads)
        luck = torch_luck(rng)
        n_factors, n_features = self.ground_.items_TF.shape[1], self.ground_.fitted_TX.shape[1]
        self.student_ = Student(n_factors, n_features, luck=luck)
        self.scale_ = np.float32(np.sqrt(self.config.teacher_scale))
        lesson = Lesson.of(self.ground_, user_scale=float(self.scale_), item_scale=float(self.scale_))
        with threads(budget.threads):
            loss_of = alignment(self.student_, lesson, self.config, luck)
            descend(self.student_.parameters(), loss_of, self.config.schedule, n_rows=len(lesson.clicked), luck=luck)

    def index(self, seen: Observation) -> None:
        """Make the student's vectors of all targets of now."""
        self.now_ = self.ground_.now(seen)
        self.is_warm_T_ = self.now_.n_users_T >= self.config.min_users
        with threads(self.n_threads_), torch.no_grad():
            self.made_TF_ = plain(self.student_.items(tensor(self.now_.features_TX)))

    def recommend(self, requests: Requests, *, k: int) -> Slates:
        """Rank by teacher and student; between targets, by the student's cosine unless both have clicks."""
        own_TF, made_TF = self.now_.items_TF, self.made_TF_
        if requests.query == "user":
            own_QF, own_TF = self.now_.folded.users(requests.ids_Q) * self.scale_, own_TF * self.scale_
            made_QF, by_teacher_QT = self._users(own_QF), self.is_warm_T_[None, :]
        else:
            own_TF, made_TF = unit(own_TF), unit(made_TF)
            own_QF, made_QF = own_TF[requests.ids_Q], made_TF[requests.ids_Q]
            by_teacher_QT = self.is_warm_T_[requests.ids_Q][:, None] & self.is_warm_T_
        return rank(np.where(by_teacher_QT, own_QF @ own_TF.T, made_QF @ made_TF.T), requests, k=k)

    def describe(self) -> NDArray[np.float32]:
        """Return the student's vectors, which alone all targets have."""
        return self.made_TF_

    def _users(self, own_QF: NDArray[np.float32]) -> NDArray[np.float32]:
        with threads(self.n_threads_), torch.no_grad():
            return plain(self.student_.users(tensor(own_QF)))


class Student(nn.Module):
    """Towers of two tanh layers and a linear one: over a user's factors, over a target's features."""

    def __init__(self, n_factors: int, n_features: int, *, luck: torch.Generator) -> None:
        super().__init__()
        self.of_users = mapper(n_factors, n_factors, luck=luck)
        self.of_items = mapper(n_features, n_factors, luck=luck)

    def users(self, users_BF: Tensor) -> Tensor:
        """Return the vectors of users."""
        made: Tensor = self.of_users(users_BF)
        return made

    def items(self, features_BX: Tensor) -> Tensor:
        """Return the vectors of targets."""
        made: Tensor = self.of_items(features_BX)
        return made


def mapper(n_in: int, n_out: int, *, luck: torch.Generator) -> nn.Sequential:
    """Return two tanh layers twice as wide as the output, and a linear one."""
    return nn.Sequential(
        Dense(n_in, 2 * n_out, luck=luck),
        nn.Tanh(),
        Dense(2 * n_out, 2 * n_out, luck=luck),
        nn.Tanh(),
        Dense(2 * n_out, n_out, luck=luck),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Triple:
    """Vectors of users, of what they clicked and of what they did not, (B, F) each."""

    user_BF: Tensor
    good_BF: Tensor
    bad_BF: Tensor

    def scores(self) -> tuple[Tensor, Tensor]:
        """Return (B,) of the clicked and of the others."""
        return (self.user_BF * self.good_BF).sum(dim=1), (self.user_BF * self.bad_BF).sum(dim=1)

    def identity(self) -> Tensor:
        """Return (B,): how much more alike a clicked target is to itself than, on average, to the others."""
        return (self.good_BF**2).sum(dim=1) - self.good_BF @ self.bad_BF.mean(dim=0)


def distillation(student: Triple, teacher: Triple, *, alpha: float, beta: float, gamma: float) -> Tensor:
    """Return the student's BPR loss and the three weighted distances to the teacher."""
    good_B, bad_B = student.scores()
    wanted_good_B, wanted_bad_B = teacher.scores()
    bpr = -functional.logsigmoid(good_B - bad_B).mean()
    rating = ((wanted_good_B - good_B).abs() + (wanted_bad_B - bad_B).abs()).mean()
    ranking = _cross_entropy(good_B - bad_B, wanted_good_B - wanted_bad_B)
    identification = _cross_entropy(student.identity(), teacher.identity())
    return bpr + gamma * rating + alpha * ranking + beta * identification


def _cross_entropy(logit_B: Tensor, wanted_B: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logit_B, torch.sigmoid(wanted_B))


def alignment(
    student: Student, lesson: Lesson, config: ALDIConfig, luck: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """Return the loss of rows: each clicked pair beside one that is not."""
    clicked, users_UF, items_TF, features_TX = lesson.clicked, lesson.users_UF, lesson.items_TF, lesson.features_TX

    def loss_of(rows_B: Tensor) -> Tensor:
        user_B, good_B = clicked.user_R[rows_B], clicked.target_R[rows_B]
        bad_B = clicked.negatives(user_B, luck=luck)
        teacher = Triple(users_UF[user_B], items_TF[good_B], items_TF[bad_B])
        made = Triple(
            student.users(teacher.user_BF), student.items(features_TX[good_B]), student.items(features_TX[bad_B])
        )
        lengths = torch.stack([rows_BF.norm() / len(rows_BF) for rows_BF in (made.user_BF, made.good_BF, made.bad_BF)])
        return (
            distillation(made, teacher, alpha=config.alpha, beta=config.beta, gamma=config.gamma)
            + config.l2 * lengths.sum()
        )

    return loss_of
