"""The report on pairs: measures with known answers, the truth of authors, and the command from end to end."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.author_encoder.affinity import cosines, true_vectors
from bench.author_encoder.making import Asked, variants, windows
from bench.author_encoder.quality import MEASURES, Ground, against_truth, auc, gini, lifts, measured, random_pairs
from bench.cli import app
from methods.author_encoder.facts import AuthorFacts
from methods.author_encoder.filters import FilterConfig
from methods.author_encoder.pair_files import read_pairs
from methods.author_encoder.pairs import PairConfig, Pairs
from methods.author_encoder.readers import Readers
from simulator import dataset
from simulator.luck import generator
from simulator.population import draw_population
from simulator.schema import DAY_SECONDS
from simulator.simulate import simulate
from simulator.spec import find_world
from tests.author_pair_references import pairs_of
from tests.world_examples import seen

TINY = find_world("tiny")


def readers_by_hand(*authors_of_users: tuple[int, ...], n_authors: int = 10) -> Readers:
    start_U1 = np.concatenate([[0], np.cumsum([len(authors) for authors in authors_of_users])]).astype(np.int64)
    author_X = np.array([a for authors in authors_of_users for a in sorted(authors)], np.int32)
    weight_X, newest_X = np.ones(len(author_X)), np.zeros(len(author_X), np.int64)
    return Readers(start_U1, author_X, weight_X, newest_X, np.diff(start_U1), np.zeros(0, np.int64), n_authors, 0)


def test_the_lift_of_pairs_counted_by_hand() -> None:
    """Users 0 and 1 read author 0, of whom user 0 then reads author 1, as one of the four users does."""
    this = readers_by_hand((0,), (0, 2), (1,), (2,))
    following = readers_by_hand((1,), (), (), (), (0, 1))  # a user more, who was not there
    # a = 0, b = 1: 1 seen, 2 readers x 1/4 expected. a = 1, b = 0: 0 seen, 1 x 0/4 expected.
    lift, new = lifts(pairs_of((0, 1, 1.0, 1)), this, following)
    assert lift == pytest.approx(1 / (2 * 1 / 4))
    # New: none of a's readers had read b; b = 1 is new to 1 of the 3 users who had not read it.
    assert new == pytest.approx(1 / (2 * 1 / 3))


def test_who_reads_an_author_again_is_no_new_reader() -> None:
    this, following = readers_by_hand((0, 1), (2,)), readers_by_hand((1,), ())
    lift, new = lifts(pairs_of((0, 1, 1.0, 1)), this, following)
    assert lift == pytest.approx(1 / (1 * 1 / 2))
    assert math.isnan(new)


def test_readers_by_chance_have_a_lift_of_one() -> None:
    """400 users read each of 8 authors with chance 1/4 in both windows: all pairs, 4 standard errors."""
    rng = np.random.default_rng(0)
    this, following = (
        readers_by_hand(*(tuple(np.flatnonzero(row).tolist()) for row in rng.random((400, 8)) < 0.25)) for _ in range(2)
    )
    ids = np.array(np.triu_indices(8, 1), np.int32)
    pairs = Pairs(ids[0], ids[1], np.zeros(28, np.float32), np.ones(28, np.int32), 10)
    n_seen = 56 * 400 / 16
    for lift in lifts(pairs, this, following):
        assert abs(lift - 1.0) < 4 / np.sqrt(n_seen)


def test_auc_counts_the_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    high_X, low_Y = rng.integers(0, 5, 30) + 1.0, rng.integers(0, 5, 40) + 0.0
    expected = np.mean([(h > low) + 0.5 * (h == low) for h in high_X for low in low_Y])
    assert auc(high_X, low_Y) == pytest.approx(expected)
    assert math.isnan(auc(high_X, low_Y[:0]))


def test_gini_is_the_mean_difference_over_twice_the_mean() -> None:
    count_A = np.array([0, 3, 1, 7, 7, 2])
    expected = np.abs(count_A[:, None] - count_A).mean() / (2 * count_A.mean())
    assert gini(count_A) == pytest.approx(expected)
    assert math.isnan(gini(np.zeros(3, np.int64)))


def test_true_affinity_is_the_correlation_of_likings_over_users() -> None:
    """Likings worked out user by user from the population: what the covariance says in one product."""
    population = draw_population(TINY, 1)
    people, creators = population.people, population.creators
    liking_UA = people.style_US.astype(np.float64) @ creators.style_AS.T
    for author in range(8):
        for m, topic in enumerate(creators.topics_AM[author]):
            if topic >= 0:
                by_topic_U = people.taste_UD.astype(np.float64) @ population.topic_DT[:, topic]
                liking_UA[:, author] += creators.topic_share_AM[author, m] * by_topic_U
    first_P, second_P = np.triu_indices(8, 1)
    expected = np.atleast_2d(np.corrcoef(liking_UA[:, :8].T))[first_P, second_P]
    np.testing.assert_allclose(cosines(true_vectors(TINY, seed=1), first_P, second_P), expected, atol=1e-5)


def test_pairs_chosen_by_the_truth_are_told_from_pairs_of_chance() -> None:
    vectors_AF, rng = true_vectors(TINY, seed=1), generator(1, "test")
    random_2R = np.stack(np.triu_indices(len(vectors_AF), 1))
    affinity_R = cosines(vectors_AF, *random_2R)
    near = affinity_R > np.quantile(affinity_R, 0.9)
    values = {}
    for name, mask in (("near", near), ("chance", rng.random(len(near)) < 0.1)):
        first, second = random_2R[:, mask].astype(np.int32)
        pairs = Pairs(first, second, affinity_R[mask].astype(np.float32), np.ones(len(first), np.int32), 160)
        values[name] = against_truth(pairs, vectors_AF, random_2R)
    assert values["near"]["auc_kept"] > 0.94
    assert abs(values["chance"]["auc_kept"] - 0.5) < 0.05
    assert values["chance"]["auc_score"] == 1.0  # the score is the truth
    assert values["near"]["affinity"] > values["near"]["affinity_random"] + 0.3


def test_random_pairs_are_of_two_authors_with_readers() -> None:
    first_R, second_R = random_pairs(readers_by_hand((1, 4), (7,)), rng=np.random.default_rng(0))
    assert set(first_R.tolist()) == set(second_R.tolist()) == {1, 4, 7}
    assert (first_R != second_R).all()
    assert random_pairs(readers_by_hand((1,)), rng=np.random.default_rng(0)).shape == (2, 0)


def test_who_is_reached_is_counted_by_hand() -> None:
    this = readers_by_hand((0, 1, 2, 3), (0, 1), (0,))
    content_AC = np.eye(2)[[0, 0, 1, 1, 0, 0, 0, 0, 0, 0]]
    facts = AuthorFacts(content_AC, np.ones(10), content_AC, np.ones(10))
    ground = Ground(this, this, facts, np.isin(np.arange(10), [2, 9]), None, np.empty((2, 0), np.int64))
    found = measured(pairs_of((0, 1, 1.0, 2), (0, 2, 1.0, 1)), ground)
    assert found["n_pairs"] == 2
    assert found["cold_covered"] == 0.5
    assert found["tail_covered"] == 0.5  # of authors 2 and 3, with one reader each
    assert found["same_category"] == 0.5
    assert found["gini"] == pytest.approx(gini(np.array([2, 1, 1, 0])))
    assert math.isnan(found["affinity"])
    assert set(found) == {measure.name for measure in MEASURES}


def test_every_score_and_every_filter_has_its_row() -> None:
    whole = seen("tiny", seed=1, hours=240)
    asked = Asked(PairConfig(window_days=6.0, min_count=2), FilterConfig(head_share=1.0), next_days=3.0)
    now = whole.now - 3 * DAY_SECONDS
    at = windows(whole.catalog, [whole.events], now=now, asked=asked, vectors_AF=None)
    names = [variant.name for variant in variants(asked, at.ground.facts)]
    assert len(set(names)) == len(names) == 8 + 1 + 9
    assert "npmi, with prompt-length" in names
    without = replace(at.ground.facts, n_tokens_A=None)
    assert "npmi, with prompt-length" not in [variant.name for variant in variants(asked, without)]
    assert at.ground.next.n_users > 0
    assert at.ground.is_cold_A.any()


WORDS = "--window-days 10 --next-days 5 --head-share 1"


@pytest.mark.slow
def test_the_command_reports_worlds_with_their_truth_and_writes_pairs(tmp_path: Path) -> None:
    out, lines = tmp_path / "pairs.parquet", tmp_path / "pairs.jsonl"
    words = f"author-pairs --world tiny --seeds 1,2 {WORDS} --out {out} --json {lines}".split()
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "lift_new" in done.stdout
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line["kind"] for line in told].count("seed") == 2 * 18
    (summary,) = [line for line in told if line["kind"] == "summary" and line["name"] == "npmi, no filter"]
    assert summary["values"]["auc_kept"]["n_seeds"] == 2
    assert summary["values"]["auc_kept"]["mean"] > 0.5
    pairs, origin = read_pairs(out)
    asked = next(line for line in told if line["name"] == "npmi")
    assert (len(pairs), origin["seed"]) == (asked["values"]["n_pairs"], 1)


def test_the_command_reads_a_folder_without_texts_or_truth(tmp_path: Path) -> None:
    simulate(TINY, tmp_path / "log", seed=1)
    words = f"author-pairs --dataset {tmp_path / 'log'} {WORDS} --json {tmp_path / 'l'}".split()
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "auc_kept" not in done.stdout
    assert "prompt-length" not in done.stdout
    assert "lift" in done.stdout
    assert dataset.read_manifest(tmp_path / "log").name == "tiny"


def test_an_unknown_score_is_refused_before_a_world_is_lived() -> None:
    with pytest.raises(ValueError, match=r"score: expected one of count, .*, got 'cosin'"):
        CliRunner().invoke(app, ["author-pairs", "--score", "cosin"], catch_exceptions=False)
