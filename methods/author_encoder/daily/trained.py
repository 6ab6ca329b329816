"""The prompts that an exported encoder was trained on: it knows authors by no other words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.author_encoder.prompt_files import FILE, read_config
from methods.author_encoder.prompts import prompts
from simulator.schema import Observation


def says_its_prompts(folder: Path) -> bool:
    """Whether the folder was written by `export-author-encoder`, and so says what its prompts are made of."""
    return (folder / FILE).is_file()


def as_trained(seen: Observation, ids_M: NDArray[np.int32], folder: Path) -> list[str]:
    """Return the prompt of each author as training wrote it, cut by the tokenizer of `folder`.

    It is empty where there is nothing to read but a category: the daily job gives such authors a mean.
    Raises ValueError where the folder does not say what prompts are made of.
    """
    from transformers import AutoTokenizer

    from methods.author_encoder.tokens import measure

    config = read_config(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return prompts(seen, ids_M, config, measure=measure(tokenizer), silent_framed=False)
