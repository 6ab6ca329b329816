"""The follow graph as the world begins: popular and congenial authors have more followers.

Each edge takes the best liked of a few authors drawn by a heavy-tailed fame, so that fans per author have a power
tail and follows say something about taste.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.kernel import compiled
from simulator.luck import generator, keys, mix, stream, uniform
from simulator.population import Population
from simulator.response import Model, topic_affinities
from simulator.spec import Living
from simulator.state import FOLLOWED, State, add_follow

_DRAWS = 6


def initial_follows(
    spec: Living, population: Population, model: Model, state: State, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Make the edges among those present at time 0, enter them into `state`, return (user_F, author_F)."""
    people, creators = population.people, population.creators
    n_users = int(np.searchsorted(people.joined_time_U, 1))
    n_authors = int(np.searchsorted(creators.joined_time_A, 1))
    rng = generator(seed, "follows")
    degree_U = np.exp(rng.normal(spec.follows_log_mean, spec.follows_log_sd, n_users))
    degree_U = np.minimum(degree_U, FOLLOWED - 1).astype(np.int64)
    fame_A = (rng.pareto(spec.fame_tail, n_authors) + 1.0) * np.exp(spec.fame_log_sd * rng.normal(size=n_authors))
    upto_A = np.cumsum(fame_A / fame_A.sum())
    user_F = np.repeat(np.arange(n_users, dtype=np.int32), degree_U)
    key_F = keys(stream(seed, "follows/draw"), np.arange(len(user_F)))
    author_F = np.empty(len(user_F), np.int32)
    topic_A = creators.topics_AM[:, 0].astype(np.int64)
    is_new_F = _befriend(model, state, creators.style_AS, topic_A, upto_A, user_F, key_F, author_F)
    return user_F[is_new_F], author_F[is_new_F]


@compiled
def _befriend(  # noqa: PLR0913 - a kernel takes its arrays one by one
    model: Model,
    state: State,
    style_AS: NDArray[np.float32],
    topic_A: NDArray[np.int64],
    upto_A: NDArray[np.float64],
    user_F: NDArray[np.int32],
    key_F: NDArray[np.uint64],
    author_F: NDArray[np.int32],
) -> NDArray[np.bool_]:
    row_T = np.empty(model.topic_DT.shape[1], np.float32)
    style_US = model.style_US
    is_new_F = np.zeros(len(user_F), np.bool_)
    held = -1
    for f, user in enumerate(user_F):
        if user != held:
            topic_affinities(model.taste_UD[user], model.topic_DT, model.topic_mean, row_T)
            held = user
        best, best_liking = 0, -np.inf
        for i in range(_DRAWS):
            drawn = uniform(mix(key_F[f], np.uint64(i)))
            author = min(int(np.searchsorted(upto_A, drawn)), len(upto_A) - 1)
            liking = row_T[topic_A[author]]
            for s in range(style_AS.shape[1]):
                liking += style_US[user, s] * style_AS[author, s]
            if liking > best_liking:
                best, best_liking = author, liking
        author_F[f] = best
        is_new_F[f] = add_follow(state, user, best)
    return is_new_F
