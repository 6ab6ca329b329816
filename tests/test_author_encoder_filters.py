"""Filters of pairs: what each keeps, that the order counts, and that the cap on heads holds afterwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.author_encoder.facts import AuthorFacts, concentration, facts_of, normalised, shares
from methods.author_encoder.filters import FILTERS, FilterConfig, filtered
from methods.author_encoder.heads import capped
from methods.author_encoder.pairs import PairConfig, Pairs
from methods.author_encoder.readers import readers_of
from simulator.schema import SchemaError
from tests.author_pair_references import pairs_of
from tests.world_examples import seen

N = 10


def facts(
    content: dict[int, tuple[float, ...]] | None = None,
    *,
    notes: dict[int, float] | None = None,
    tokens: dict[int, int] | None = None,
) -> AuthorFacts:
    """Ten authors and three categories; those not named write about the first with ten notes."""
    content_AC = np.tile([1.0, 0.0, 0.0], (N, 1))
    n_notes_A, n_tokens_A = np.full(N, 10.0), np.full(N, 50, np.int32)
    for author, row in (content or {}).items():
        content_AC[author] = row
    for author, n in (notes or {}).items():
        n_notes_A[author] = n
    for author, n in (tokens or {}).items():
        n_tokens_A[author] = n
    return AuthorFacts(content_AC, n_notes_A, content_AC, n_notes_A, n_tokens_A)


def ends(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.first_P.tolist(), pairs.second_P.tolist(), strict=True))


SOME = pairs_of((0, 1, 0.1, 5), (0, 2, 0.2, 4), (1, 2, 0.3, 3), (2, 3, 0.4, 2), (3, 4, 0.5, 1))
EVEN = (1 / 3, 1 / 3, 1 / 3)


@pytest.mark.parametrize(
    ("name", "config", "known", "kept"),
    [
        ("support", {"min_count": 4}, facts(), [(0, 1), (0, 2)]),
        ("score-bounds", {"low_quantile": 0.5, "high_quantile": 0.75}, facts(), [(1, 2), (2, 3)]),
        ("category-hard", {}, facts({0: (0, 1, 0), 1: (0.2, 0.8, 0)}), [(0, 1), (2, 3), (3, 4)]),
        ("category-hard", {}, facts({0: (0, 0, 0), 1: (0, 0, 0)}), [(2, 3), (3, 4)]),
        ("category-soft", {}, facts({0: (0.5, 0.5, 0), 4: (0, 0, 1)}), [(0, 1), (0, 2), (1, 2), (2, 3)]),
        ("category-soft", {"min_cosine": 0.8}, facts({0: (0.5, 0.5, 0)}), [(1, 2), (2, 3), (3, 4)]),
        ("category-soft", {"min_cosine": 1.0}, facts({0: EVEN, 1: EVEN}), [(0, 1), (2, 3), (3, 4)]),
        ("content-hhi", {}, facts({2: EVEN}), [(0, 1), (3, 4)]),
        ("content-hhi", {}, facts({2: EVEN}, notes={2: 1.0}), [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)]),
        ("audience-hhi", {"min_audience_hhi": 0.9}, facts({4: (0.9, 0.1, 0)}), [(0, 1), (0, 2), (1, 2), (2, 3)]),
        ("content-hhi", {"hhi_form": "normalised", "min_content_hhi": 1.0}, facts({4: (0.9, 0.1, 0)}), ends(SOME)[:4]),
        ("prompt-length", {}, facts(tokens={0: 19, 4: 20}), [(1, 2), (2, 3), (3, 4)]),
        ("top-per-author", {"top": 1}, facts(), [(0, 2), (1, 2), (2, 3), (3, 4)]),
        ("head-cap", {"head_share": 0.5}, facts(), [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ("head-cap", {"head_share": 0.6}, facts(), ends(SOME)),
    ],
)
def test_a_filter_keeps(name: str, config: dict[str, float], known: AuthorFacts, kept: list[tuple[int, int]]) -> None:
    found, (step,) = filtered(SOME, known, FilterConfig(chain=(name,), **config))  # type: ignore[arg-type]
    assert ends(found) == kept
    assert (step.name, step.n_in, step.n_dropped) == (name, 5, 5 - len(kept))
    assert step.why


def test_every_filter_has_a_known_answer() -> None:
    marks = test_a_filter_keeps.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in marks[0].args[1]} == set(FILTERS)


def test_the_chain_is_applied_in_its_order() -> None:
    first = FilterConfig(chain=("score-bounds", "support"), min_count=3)
    last = FilterConfig(chain=("support", "score-bounds"), min_count=3)
    (one, one_steps), (other, other_steps) = filtered(SOME, facts(), first), filtered(SOME, facts(), last)
    assert ends(one) == [(1, 2)]  # half of five scores, then support
    assert ends(other) == [(0, 2), (1, 2)]
    assert [step.name for step in one_steps] == list(first.chain)
    assert [(step.n_in, step.n_dropped) for step in other_steps] == [(5, 2), (3, 1)]


def test_chosen_score_bounds_are_told_and_are_scores_that_occur() -> None:
    _, (step,) = filtered(SOME, facts(), FilterConfig(chain=("score-bounds",), low_quantile=0.26))
    assert dict(step.bounds) == {"low": SOME.score_P[1], "high": SOME.score_P[4]}


@st.composite
def many_pairs(draw: st.DrawFn) -> Pairs:
    ids = draw(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), min_size=1, max_size=120))
    chosen = sorted({(min(i), max(i)) for i in ids if i[0] != i[1]})
    rows = [(a, b, draw(st.integers(1, 9)) / 8, draw(st.integers(1, 4))) for a, b in chosen]
    return pairs_of(*rows, n_authors=30)


@given(pairs=many_pairs(), share=st.floats(0.02, 1.0))
def test_no_author_is_in_more_than_the_share_of_the_pairs_that_stay(pairs: Pairs, share: float) -> None:
    try:
        keep_P, most = capped(pairs, share)
    except ValueError:
        assert share * 30 < 2 or pairs.degree_A().max() > share * len(pairs)  # an author must be in one at least
        return
    left = pairs.take(keep_P)
    if len(left):
        assert left.degree_A().max() == most <= share * len(left) + 1e-6
    if len(pairs) and pairs.degree_A().max() <= share * len(pairs):
        assert len(left) == len(pairs)


def test_a_cap_on_what_came_in_would_not_hold_afterwards() -> None:
    """A star beside a path: a third of twelve pairs is four of the star's, but then six stay, of which four is more."""
    star = [(0, b, 1.0, 1) for b in range(1, 11)]
    pairs = pairs_of(*star, (11, 12, 0.5, 1), (12, 13, 0.5, 1), (13, 14, 0.5, 1), (14, 15, 0.5, 1), n_authors=20)
    keep_P, most = capped(pairs, 1 / 3)
    assert most == 2
    assert int(keep_P.sum()) == 6


def test_a_share_that_no_set_of_pairs_can_keep_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head_share: expected a share that some of the pairs can keep, got 0\.01"):
        capped(SOME, 0.01)


@given(pairs=many_pairs(), top=st.integers(1, 4))
def test_top_per_author_keeps_the_best_of_either_side(pairs: Pairs, top: int) -> None:
    unknown = AuthorFacts(np.zeros((30, 3)), np.zeros(30), np.zeros((30, 3)), np.zeros(30))
    found, _ = filtered(pairs, unknown, FilterConfig(chain=("top-per-author",), top=top))
    rows = list(zip(ends(pairs), pairs.score_P.tolist(), pairs.count_P.tolist(), strict=True))
    kept = set()
    for author in range(30):
        mine = sorted((-score, -count, p) for p, score, count in rows if author in p)
        kept |= {p for _, _, p in mine[:top]}
    assert set(ends(found)) == kept


@given(counts=st.lists(st.integers(0, 6), min_size=2, max_size=5).filter(lambda c: sum(c) > 1))
def test_the_corrected_index_is_the_share_of_pairs_of_draws_in_one_category(counts: list[int]) -> None:
    draws = np.repeat(np.arange(len(counts)), counts)
    same_NN = draws[:, None] == draws
    n = len(draws)
    expected = (same_NN.sum() - n) / (n * (n - 1))
    found = concentration(shares(np.array([counts], float)), np.array([float(n)]))
    assert found[0] == pytest.approx(expected)


def test_the_corrected_index_has_no_bias_where_the_plain_one_has() -> None:
    """Five notes of an author with shares .5, .3, .2, drawn 4,000 times: the truth is .38."""
    rng = np.random.default_rng(0)
    counts_AC = rng.multinomial(5, [0.5, 0.3, 0.2], size=4_000).astype(float)
    plain_A = (shares(counts_AC) ** 2).sum(axis=1)
    hhi_A: NDArray[np.float64] = concentration(shares(counts_AC), np.full(4_000, 5.0))
    error = hhi_A.std() / np.sqrt(4_000)
    assert abs(hhi_A.mean() - 0.38) < 4 * error
    assert plain_A.mean() - 0.38 > 10 * error


def test_the_normalised_index_runs_from_even_to_one() -> None:
    np.testing.assert_allclose(normalised(np.array([0.25, 1.0]), 4), [0.0, 1.0])
    with pytest.raises(ValueError, match="n_categories: expected at least 2, got 1"):
        normalised(np.array([1.0]), 1)


def test_facts_of_a_world_are_those_counted_note_by_note() -> None:
    world = seen("tiny", seed=1, hours=240)
    config = PairConfig(window_days=10.0)
    readers = readers_of(world, config)
    known = facts_of(world.catalog, readers)
    notes, shown = world.catalog.notes, np.zeros(len(world.catalog.notes))
    np.add.at(shown, world.events.note_E, 1)
    for author in range(0, len(world.catalog.authors), 17):
        mine = np.flatnonzero(notes.author_N == author)
        weight_C = np.zeros(len(world.catalog.categories))
        for note in mine:
            weight_C[notes.category_N[note]] += shown[note]
        if weight_C.sum():
            np.testing.assert_allclose(known.content_AC[author], weight_C / weight_C.sum())
            assert known.n_notes_A[author] == pytest.approx(shown[mine].sum() ** 2 / (shown[mine] ** 2).sum())
        users = readers.user_X[readers.author_X == author]
        liked = []
        for user in users:
            others = readers.author_X[readers.start_U1[user] : readers.start_U1[user + 1]]
            liked_C = known.content_AC[others[others != author]].sum(axis=0)
            liked += [int(liked_C.argmax())] if liked_C.sum() > 1e-9 else []
        assert known.n_audience_A[author] == len(liked)
        if liked:
            expected = np.bincount(liked, minlength=len(weight_C)) / len(liked)
            np.testing.assert_allclose(known.audience_AC[author], expected)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chain": ("suport",)}, r"chain: expected distinct names of score-bounds, .*, got \('suport',\)"),
        ({"chain": ("support", "support")}, "chain: expected distinct names"),
        ({"low_quantile": 0.9, "high_quantile": 0.1}, "expected 0 <= low <= high <= 1, got 0.9, 0.1"),
        ({"hhi_form": "plain"}, "hhi_form: expected one of unbiased, normalised, got plain"),
        ({"top": 0}, "top: expected at least 1, got 0"),
        ({"head_share": 0.0}, r"head_share: expected a share in \(0, 1\], got 0.0"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FilterConfig(**change)  # type: ignore[arg-type]


def test_missing_lengths_and_facts_about_others_are_refused() -> None:
    unknown = AuthorFacts(np.zeros((N, 3)), np.zeros(N), np.zeros((N, 3)), np.zeros(N))
    with pytest.raises(SchemaError, match="n_tokens: expected the length of each prompt, for prompt-length, got None"):
        filtered(SOME, unknown, FilterConfig(chain=("prompt-length",)))
    fewer = AuthorFacts(np.zeros((3, 3)), np.zeros(3), np.zeros((3, 3)), np.zeros(3))
    with pytest.raises(SchemaError, match="AuthorFacts: expected 10 authors, got 3"):
        filtered(SOME, fewer, FilterConfig())
    with pytest.raises(SchemaError, match="n_notes: expected one for each of 3 authors"):
        AuthorFacts(np.zeros((3, 3)), np.zeros(2), np.zeros((3, 3)), np.zeros(3))
