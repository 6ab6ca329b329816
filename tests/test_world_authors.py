"""Authors write as designed: what about, how much, when, and what feedback does to them; notes are theirs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.living import HOURLY_LOAD
from simulator.notes import _AUTHORS_QUALITY, note_keys
from simulator.population import Creators, draw_population
from simulator.publishing import feedback, motivation, publish
from simulator.schema import DAY_SECONDS
from simulator.spec import Publishing, find_world
from simulator.state import empty_state
from tests.world_examples import lived, seen, z_of

N = 4_000
SPEC = find_world(f"tiny:n_users=2000,n_authors={N},days=20")
DRIVE = Publishing()


def creators() -> Creators:
    """Return many authors."""
    return draw_population(SPEC, 3).creators


def test_authors_have_one_to_three_topics_and_so_a_true_concentration() -> None:
    them = creators()
    share_AM = them.topic_share_AM
    n_topics_A = (them.topics_AM >= 0).sum(axis=1)
    for n, share in ((1, 0.5), (2, 0.3), (3, 0.2)):
        assert abs(z_of((n_topics_A == n).sum(), share * N, share * (1 - share) * N)) < 4
    hhi_A = (share_AM**2).sum(axis=1)
    assert np.allclose(share_AM.sum(axis=1), 1)
    assert np.allclose(hhi_A[n_topics_A == 1], 1)
    assert hhi_A[n_topics_A == 2].max() < 0.7
    assert hhi_A[n_topics_A == 3].max() < hhi_A[n_topics_A == 2].max()


def test_notes_are_about_their_authors_topics_in_the_authors_shares() -> None:
    them, notes = (
        lived(SPEC.name, seed=3, hours=24 * 10)._population.creators,
        lived(SPEC.name, seed=3, hours=240)._notes,
    )
    topics_NM, n = them.topics_AM[notes.author_N], len(notes.author_N)
    assert (topics_NM == notes.topic_N[:, None]).any(axis=1).all()
    assert (topics_NM == notes.second_N[:, None]).any(axis=1).all()
    is_main_N = topics_NM[:, 0] == notes.topic_N
    same_NM = topics_NM == topics_NM[:, :1]  # the same topic may be drawn twice
    chance_N = (them.topic_share_AM[notes.author_N] * same_NM).sum(axis=1)
    assert n > 3_000
    assert abs(z_of(is_main_N.sum(), chance_N.sum(), (chance_N * (1 - chance_N)).sum())) < 4


def test_productivity_has_the_tail_of_lotka() -> None:
    rate_A = creators().rate_A
    least, cap = rate_A.min(), 6.0
    below_A = rate_A < cap
    exponent = below_A.sum() / np.log(np.minimum(rate_A, cap) / least).sum()  # Hill's estimate, censored at the cap
    assert abs(exponent / DRIVE.productivity_tail - 1) < 4 / np.sqrt(below_A.sum())


def test_few_authors_write_much_and_many_little() -> None:
    catalog = seen(SPEC.name, seed=3, hours=24 * 20).catalog
    old_A = catalog.authors.joined_time_A == 0
    n_A = np.sort(np.bincount(catalog.notes.author_N, minlength=N)[old_A])[::-1]
    assert n_A[: len(n_A) // 10].sum() > 0.3 * n_A.sum()
    assert (n_A <= 2).mean() > 0.4


def test_authors_differ_in_their_share_of_videos() -> None:
    world = lived(SPEC.name, seed=3, hours=24 * 10)
    share_A, notes = world._population.creators.video_share_A, world._notes
    chance_N = share_A[notes.author_N]
    for low, high in ((0.0, 0.1), (0.1, 0.9), (0.9, 1.0)):
        some_N = (chance_N >= low) & (chance_N <= high)
        spread = (chance_N[some_N] * (1 - chance_N[some_N])).sum()
        assert abs(z_of(notes.is_video_N[some_N].sum(), chance_N[some_N].sum(), spread)) < 4
        assert some_N.mean() > 0.03


def test_notes_of_an_author_are_alike_in_style_and_quality() -> None:
    world = lived(SPEC.name, seed=3, hours=24 * 10)
    them, notes, jitter = world._population.creators, world._notes, SPEC.affinity.note_jitter
    style = np.corrcoef(notes.style_NS[:, 0], them.style_AS[notes.author_N, 0])[0, 1]
    quality = np.corrcoef(notes.quality_N, them.quality_A[notes.author_N])[0, 1]
    # The variance that is the author's; prolific authors weigh more, so it is good to a tenth or so.
    assert abs(style**2 - (1 - jitter)) < 0.1
    assert abs(quality**2 - _AUTHORS_QUALITY) < 0.1
    assert abs(notes.quality_N.std() - 1) < 0.15


def test_the_platforms_label_is_wrong_for_a_tenth_of_notes() -> None:
    notes = lived(SPEC.name, seed=3, hours=24 * 10)._notes
    wrong = (notes.label_N != notes.topic_N // 12).sum()
    chance, n = 0.1 * 19 / 20, len(notes.label_N)
    assert abs(z_of(wrong, chance * n, chance * (1 - chance) * n)) < 4


def test_authors_join_all_the_time_and_publish_a_first_note_within_the_half_hour() -> None:
    catalog = seen(SPEC.name, seed=3, hours=24 * 20).catalog
    joined_A, author_N, born_N = catalog.authors.joined_time_A, catalog.notes.author_N, catalog.notes.born_time_N
    late_A = np.flatnonzero((joined_A > 0) & (joined_A < 19 * DAY_SECONDS))
    assert (np.bincount(joined_A[late_A] // DAY_SECONDS, minlength=19) > 0).all()
    first_A = np.full(len(joined_A), -1)
    author_first, at = np.unique(author_N, return_index=True)
    first_A[author_first] = born_N[at]
    wait_A = first_A[late_A] - joined_A[late_A]
    assert wait_A.min() >= 0
    assert wait_A.max() < 1_800


def test_notes_are_born_by_the_hour_of_the_day_and_more_at_the_weekend() -> None:
    state, them = empty_state(SPEC.n_users, N), creators()
    rows = [publish(SPEC, them, state, 3, day) for day in range(7, 56)]
    old = [births.born_time_N[them.joined_time_A[births.author_N] == 0] for births in rows]
    count_H = np.bincount(np.concatenate(old) % DAY_SECONDS // 3_600, minlength=24)
    assert np.corrcoef(count_H, HOURLY_LOAD)[0, 1] > 0.9
    weekend, weekdays = (sum(len(old[d]) for d in range(49) if d % 7 in days) for days in ((5, 6), (0, 1)))
    assert z_of(weekend, weekdays, weekdays + weekend) > 3


# Motivation


def drive(elasticity_A: NDArray[np.float64], clicks: float, impressions: float) -> NDArray[np.float64]:
    """Return the motivation after one day of feedback, the day before."""
    count_AL = np.zeros((len(elasticity_A), 16), np.int32)
    count_AL[:, 3], count_AL[:, 10] = clicks, impressions  # day 3 of the week: clicks, then impressions
    return motivation(DRIVE, elasticity_A, feedback(DRIVE, count_AL, 4))


def test_elastic_authors_are_a_share_and_differ() -> None:
    elasticity_A = creators().elasticity_A
    elastic_A = elasticity_A > 0
    share = DRIVE.elastic_share
    assert abs(z_of(elastic_A.sum(), share * N, share * (1 - share) * N)) < 4
    assert elasticity_A[elastic_A].std() > 0.3 * elasticity_A[elastic_A].mean()


def test_clicks_move_elastic_authors_only_and_so_do_impressions() -> None:
    elasticity_A = creators().elasticity_A
    elastic_A = elasticity_A > 0.05
    nothing, clicked, exposed = (drive(elasticity_A, *told) for told in ((0, 0), (5, 0), (0, 500)))
    for told in (clicked, exposed):
        assert (told >= nothing).all()
        assert (told[elastic_A & (nothing > 0.1)] > nothing[elastic_A & (nothing > 0.1)]).all()
        assert (told[elasticity_A == 0] == 1).all()
    assert (drive(elasticity_A, 50, 0) >= clicked).all()  # it saturates, but does not turn
    assert drive(elasticity_A, 10_000, 0).max() <= 1 + elasticity_A.max() / 2


def test_feedback_fades_within_days_and_is_forgotten_within_the_week() -> None:
    count_AL = np.zeros((1, 16), np.int32)
    count_AL[0, 3] = 10
    felt = [float(feedback(DRIVE, count_AL, day)[0]) for day in range(4, 10)]
    assert felt[0] == 10
    assert np.allclose(np.diff(np.log(felt)), -1 / DRIVE.memory_days)
    assert felt[-1] < 2


@pytest.mark.parametrize("impressions", [0, 10])
def test_the_first_click_raises_publishing_by_ten_to_twenty_percent(impressions: int) -> None:
    # An anonymous upvote, its exposure held, raises contributing by 15 %: field experiment in notes/simulators.md.
    elasticity_A = creators().elasticity_A
    raised = drive(elasticity_A, 1, impressions).mean() / drive(elasticity_A, 0, impressions).mean() - 1
    assert 0.1 < raised < 0.2


@pytest.mark.xfail(reason="23.5 %: 18.4 % for the click, the rest for ten impressions, which the experiment holds")
def test_the_first_engagement_with_its_exposure_raises_publishing_by_about_a_tenth() -> None:
    elasticity_A = creators().elasticity_A
    raised = drive(elasticity_A, 1, 10).mean() / drive(elasticity_A, 0, 0).mean() - 1
    assert 0.07 < raised < 0.2


@pytest.mark.parametrize("clicks", [3, 40])
def test_feedback_makes_elastic_authors_publish_more_and_leaves_the_others_births_alone(clicks: int) -> None:
    them = creators()
    quiet, praised = empty_state(SPEC.n_users, N), empty_state(SPEC.n_users, N)
    praised.count_AL[:, :7] = clicks
    counts = []
    for state in (quiet, praised):
        births = [publish(SPEC, them, state, 3, day).author_N for day in range(1, 8)]
        counts.append(np.bincount(np.concatenate(births), minlength=N))
    elastic_A = them.elasticity_A > 0
    assert (counts[1] >= counts[0]).all()  # luck is monotone here too
    assert np.array_equal(counts[0][~elastic_A], counts[1][~elastic_A])
    assert counts[1][elastic_A].sum() > 1.5 * counts[0][elastic_A].sum()


def test_the_loop_is_closed_authors_who_are_shown_publish_more() -> None:
    # Two worlds of the same luck, in one of which nobody clicks.
    name = "tiny:n_users=3000,n_authors=1000,days=10,elastic_share=1"
    told, untold = (seen(f"{name}{more}", seed=3, hours=24 * 10) for more in ("", ",click_bias=-30,exposure_weight=0"))
    late_N = [int((observed.catalog.notes.born_time_N > 3 * DAY_SECONDS).sum()) for observed in (told, untold)]
    assert late_N[0] > 1.1 * late_N[1]
    assert z_of(late_N[0], late_N[1], sum(late_N)) > 4


# A note's key is its author's affair


def test_a_notes_key_does_not_depend_on_what_others_publish() -> None:
    author_N = np.array([5, 2, 5, 2, 5], np.int32)
    born_N = np.array([10, 20, 30, 40, DAY_SECONDS + 5], np.int64)
    keys = note_keys(1, author_N, born_N)
    mine = author_N == 5
    assert np.array_equal(note_keys(1, author_N[mine], born_N[mine]), keys[mine])
    assert len(np.unique(keys)) == 5
    assert np.array_equal(note_keys(1, author_N, born_N + 7), keys)  # the hour does not matter, the day does
    assert keys[0] != note_keys(1, author_N, born_N + DAY_SECONDS)[0]
    assert keys[0] != note_keys(2, author_N, born_N)[0]
