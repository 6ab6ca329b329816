"""The seam to any encoder of texts: `encode(texts) -> (M, D)`, and what says which model it is.

An encoder is named "package.module:function"; the function takes a folder or None and a number of threads and returns
an `Encoder` at once: heavy things are loaded at the first call of `encode`, which may never come on a day when no
author has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from methods.naming import function_named
from simulator.schema import SchemaError

Floats: TypeAlias = "NDArray[np.float16] | NDArray[np.float32]"
ZERO_SHOT = "methods.author_encoder.daily.zero_shot:minilm"


class Encode(Protocol):
    """Turn texts into vectors, row i of text i."""

    def __call__(self, texts: Sequence[str], /) -> Floats:
        """Return (M, D) finite vectors, float16 or float32."""
        ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """A model by name, what changes when its answers would, and how to ask it."""

    model: str
    version: str
    encode: Encode


Factory = Callable[[Path | None, int], Encoder]


@dataclass(frozen=True, slots=True)
class EncoderName:
    """Where an encoder is found; travels to other processes in place of the encoder."""

    factory: str = ZERO_SHOT
    folder: Path | None = None
    threads: int = 1

    def load(self) -> Encoder:
        """Import the factory and call it; a name that is not there is refused."""
        factory: Factory = function_named("factory", self.factory)
        return factory(self.folder, self.threads)


def encoded(encode: Encode, texts: Sequence[str], author_M: NDArray[np.int64], dtype: str) -> Floats:
    """Ask the encoder; refuse another shape or dtype and vectors that `dtype` cannot hold, naming the author."""
    rows_MD = encode(texts)
    if rows_MD.dtype not in (np.float16, np.float32) or rows_MD.ndim != 2 or len(rows_MD) != len(texts):
        got = f"{rows_MD.dtype}{rows_MD.shape}"
        raise SchemaError("encode", f"float16 or float32({len(texts)}, D)", got)
    with np.errstate(over="ignore"):
        kept_MD = rows_MD.astype(dtype)
    wrong_M = ~np.isfinite(kept_MD).all(axis=1)
    if wrong_M.any():
        raise SchemaError("encode", f"numbers finite in {dtype}", f"others for author {author_M[wrong_M][0]}")
    return kept_MD
