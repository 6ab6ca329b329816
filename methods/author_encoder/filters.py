"""Filters of pairs: a chain of names, applied in that order; each tells what came in, what it dropped, and why.

| name             | looks at            | keeps a pair where                                                    |
| score-bounds     | the pair            | its score lies between two quantiles of the scores that came in       |
| support          | the pair            | enough readers are shared                                             |
| category-hard    | both authors, as one| their main categories are equal; an unknown one equals nothing        |
| category-soft    | both authors, as one| the cosine of their category shares is great enough                   |
| content-hhi      | both, each alone    | each writes about few categories; an unknown HHI passes               |
| audience-hhi     | both, each alone    | the readers of each like few categories; an unknown HHI passes        |
| prompt-length    | both, each alone    | each has a long enough prompt                                         |
| top-per-author   | either              | it is among the best `top` of the first or of the second author       |
| head-cap         | both, over all pairs| no author is in more than a share of the pairs that are left          |

Shapes: P pairs, A authors, C categories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.facts import AuthorFacts, concentration, normalised
from methods.author_encoder.heads import capped
from methods.author_encoder.pairs import Pairs
from methods.groups import place_in_group
from simulator.schema import SchemaError

Form = Literal["unbiased", "normalised"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """The chain, and what each filter asks; quantiles are of the scores that reach the filter."""

    chain: tuple[str, ...] = ("support", "score-bounds", "category-soft", "content-hhi", "top-per-author", "head-cap")
    low_quantile: float = 0.5  # the worse half is dropped ...
    high_quantile: float = 0.999  # ... and the best of a thousand: rings
    min_count: int = 3
    min_cosine: float = 0.5  # of category shares
    hhi_form: Form = "unbiased"
    min_content_hhi: float = 0.35
    min_audience_hhi: float = 0.1
    min_tokens: int = 20
    top: int = 10
    head_share: float = 0.01  # of the pairs that one author may be in

    def __post_init__(self) -> None:
        unknown = [name for name in self.chain if name not in FILTERS]
        if unknown or len(set(self.chain)) < len(self.chain):
            raise ValueError(f"FilterConfig.chain: expected distinct names of {', '.join(FILTERS)}, got {self.chain}")
        if not 0.0 <= self.low_quantile <= self.high_quantile <= 1.0:
            got = f"{self.low_quantile}, {self.high_quantile}"
            raise ValueError(f"FilterConfig.low_quantile, high_quantile: expected 0 <= low <= high <= 1, got {got}")
        if self.hhi_form not in get_args(Form):
            raise ValueError(f"FilterConfig.hhi_form: expected one of {', '.join(get_args(Form))}, got {self.hhi_form}")
        for name in ("min_count", "top"):
            if getattr(self, name) < 1:
                raise ValueError(f"FilterConfig.{name}: expected at least 1, got {getattr(self, name)}")
        if not 0.0 < self.head_share <= 1.0:
            raise ValueError(f"FilterConfig.head_share: expected a share in (0, 1], got {self.head_share}")


@dataclass(frozen=True, slots=True)
class Step:
    """What one filter did; `bounds` are the numbers that it chose or was given."""

    name: str
    n_in: int
    n_dropped: int
    why: str
    bounds: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Verdict:
    keep_P: Mask
    why: str
    bounds: tuple[tuple[str, float], ...]


def filtered(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> tuple[Pairs, tuple[Step, ...]]:
    """Apply the chain in its order; return what is left and a step a filter.

    Raises SchemaError where the facts are about other authors, or a filter needs one that is not there.
    """
    if facts.n_authors != pairs.n_authors:
        raise SchemaError("AuthorFacts", f"{pairs.n_authors} authors", facts.n_authors)
    steps = []
    for name in config.chain:
        verdict = FILTERS[name](pairs, facts, config)
        n_in, pairs = len(pairs), pairs.take(verdict.keep_P)
        steps.append(Step(name, n_in, n_in - len(pairs), verdict.why, verdict.bounds))
    return pairs, tuple(steps)


def _score_bounds(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    if len(pairs) == 0:
        return _Verdict(np.ones(0, np.bool_), "no pair came in", ())
    # Bounds are scores that occur: no rounding can throw out the pair that set one.
    low, high = np.quantile(pairs.score_P, [config.low_quantile, config.high_quantile], method="nearest")
    keep_P = (pairs.score_P >= low) & (pairs.score_P <= high)
    bounds = (("low", float(low)), ("high", float(high)))
    return _Verdict(keep_P, f"score below {low:.6g} or above {high:.6g}", bounds)


def _support(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    least = config.min_count
    return _Verdict(pairs.count_P >= least, f"fewer than {least} shared readers", (("min_count", least),))


def _category_hard(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    main_A = np.where(facts.content_AC.any(axis=1), facts.content_AC.argmax(axis=1), -1)
    keep_P = (main_A[pairs.first_P] == main_A[pairs.second_P]) & (main_A[pairs.first_P] >= 0)
    return _Verdict(keep_P, "main categories differ or are unknown", ())


def _category_soft(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    length_A1 = np.linalg.norm(facts.content_AC, axis=1, keepdims=True)
    unit_AC = facts.content_AC / np.where(length_A1 > 0, length_A1, 1.0)
    cosine_P = np.einsum("pc,pc->p", unit_AC[pairs.first_P], unit_AC[pairs.second_P])
    why = f"cosine of category shares below {config.min_cosine:g}, or unknown"
    # Equal shares have cosine 1 but for rounding.
    return _Verdict(cosine_P >= config.min_cosine - 1e-9, why, (("min_cosine", config.min_cosine),))


def _content_hhi(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    hhi_A = concentration(facts.content_AC, facts.n_notes_A)
    return _focused(pairs, _in_form(hhi_A, facts, config), config.min_content_hhi, "content")


def _audience_hhi(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    hhi_A = concentration(facts.audience_AC, facts.n_audience_A)
    return _focused(pairs, _in_form(hhi_A, facts, config), config.min_audience_hhi, "audience")


def _in_form(hhi_A: NDArray[np.float64], facts: AuthorFacts, config: FilterConfig) -> NDArray[np.float64]:
    return normalised(hhi_A, facts.content_AC.shape[1]) if config.hhi_form == "normalised" else hhi_A


def _focused(pairs: Pairs, hhi_A: NDArray[np.float64], least: float, what: str) -> _Verdict:
    pass_A = ~(hhi_A < least - 1e-9)  # NaN is not below: one note tells nothing, and cold authors have one
    why = f"{what} HHI of either author below {least:g}"
    return _Verdict(_both(pairs, pass_A), why, (("min_hhi", least),))


def _prompt_length(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    if facts.n_tokens_A is None:
        raise SchemaError("AuthorFacts.n_tokens", "the length of each prompt, for prompt-length", None)
    why = f"prompt of either author below {config.min_tokens} tokens"
    return _Verdict(_both(pairs, facts.n_tokens_A >= config.min_tokens), why, (("min_tokens", config.min_tokens),))


def _top_per_author(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    """Equal scores go in order of more shared readers, then of the pairs."""
    row_E = np.tile(np.arange(len(pairs)), 2)
    author_E = np.concatenate([pairs.first_P, pairs.second_P])
    best_first_E = np.lexsort((row_E, -pairs.count_P[row_E], -pairs.score_P[row_E], author_E))
    place_E = place_in_group(author_E[best_first_E])
    keep_P = np.zeros(len(pairs), np.bool_)
    keep_P[row_E[best_first_E[place_E < config.top]]] = True
    return _Verdict(keep_P, f"not among the best {config.top} of either author", (("top", config.top),))


def _head_cap(pairs: Pairs, facts: AuthorFacts, config: FilterConfig) -> _Verdict:
    keep_P, most = capped(pairs, config.head_share)
    why = f"an author in it is already in {most} better pairs"
    return _Verdict(keep_P, why, (("head_share", config.head_share), ("most", most)))


def _both(pairs: Pairs, pass_A: Mask) -> Mask:
    return np.asarray(pass_A[pairs.first_P] & pass_A[pairs.second_P])


FILTERS: dict[str, Callable[[Pairs, AuthorFacts, FilterConfig], _Verdict]] = {
    "score-bounds": _score_bounds,
    "support": _support,
    "category-hard": _category_hard,
    "category-soft": _category_soft,
    "content-hhi": _content_hhi,
    "audience-hhi": _audience_hhi,
    "prompt-length": _prompt_length,
    "top-per-author": _top_per_author,
    "head-cap": _head_cap,
}
