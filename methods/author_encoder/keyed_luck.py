"""Dropout that follows from a key, not from what was drawn before: (seed, step, rank, chunk).

A chunk that is encoded twice draws the same both times, and a run that goes on from a checkpoint draws what it would
have drawn: no state of a generator has to be kept. torch's dropout reads the generator of its device and no other, so
its state is lent for the time of a block and put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def keyed(device: torch.device, *key: int) -> Iterator[None]:
    """Let everything that torch draws within follow from `key`; afterwards its generators are as they were."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
    on_cuda = device.type == "cuda"
    at = (device.index if device.index is not None else torch.cuda.current_device()) if on_cuda else -1
    with torch.random.fork_rng(devices=[at] if on_cuda else []):
        torch.default_generator.set_state(torch.Generator().manual_seed(seed).get_state())
        if on_cuda:
            torch.cuda.default_generators[at].manual_seed(seed)
        yield
