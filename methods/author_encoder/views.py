"""Positives without behaviour: two prompts of one author, of which each has every other title.

What InfoNCE on them teaches is to tell authors apart by what they write; it is what pairs of authors who share readers
are compared with. Profile, titles and bodies are shared out, so that no line stands in both: profile and bodies go to
the first, as the newest title does.
Shapes: A authors, R prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from methods.author_encoder.contrast import PairColumns
from methods.author_encoder.prompts import TEMPLATES, Parts, PromptConfig, language_of, parts
from methods.author_encoder.tokens import TokenTable
from simulator.schema import Observation


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The prompts, first views before second ones, and which belong together."""

    tokens: TokenTable
    pairs: PairColumns  # of rows of prompts


def two_views(seen: Observation, config: PromptConfig, tokenizer: PreTrainedTokenizerBase) -> Views:
    """Return two prompts of every author; only those of whom both views say something are pairs."""
    template = TEMPLATES[language_of(seen, config)]
    whole = parts(seen, np.arange(len(seen.catalog.authors), dtype=np.int32), config)
    first, second = [_first(one) for one in whole], [_second(one) for one in whole]
    texts = [one.text(template) for one in (*first, *second)]
    tokens = TokenTable.of(texts, tokenizer, max_tokens=config.max_tokens)
    both = [bool((a.profile or a.titles) and b.titles) for a, b in zip(first, second, strict=True)]
    author_P = np.flatnonzero(both).astype(np.int32)
    return Views(tokens, PairColumns(author_P, author_P + np.int32(len(whole)), len(tokens)))


def _first(one: Parts) -> Parts:
    """Keep the profile, and every other title from the newest on."""
    return replace(one, titles=one.titles[::-1][::2][::-1])


def _second(one: Parts) -> Parts:
    """Keep the other titles."""
    return replace(one, profile="", titles=one.titles[::-1][1::2][::-1], bodies="")
