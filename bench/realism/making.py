"""Make the card of a named world, lived in memory, or of a dataset folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.progress import Tell
from bench.realism.arms import arms_of
from bench.realism.card import Card, realism_card
from bench.realism.target import PRESETS
from simulator import dataset
from simulator.simulate import live
from simulator.spec import Preset, find_world

DRAW_SEED = 0  # of what is drawn while measuring: not the world's


def preset_of(name: str) -> Preset:
    """Return the preset of that name."""
    for preset in PRESETS:
        if preset == name:
            return preset
    raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {name!r}")


def card_of_world(name: str, *, seed: int, preset: str | None, tell: Tell) -> Card:
    """Live a world to its end and measure what it shows; without preset against the targets of its own."""
    spec = find_world(name)
    chosen = preset_of(preset or spec.preset)
    seen = live(spec, seed=seed, progress=lambda done, total: tell("simulated days", done, total))
    rng = np.random.default_rng(DRAW_SEED)
    extra = arms_of(spec, seed, tell=tell)
    return realism_card(seen, name=f"world {name}, seed {seed}", preset=chosen, rng=rng, extra=extra, tell=tell)


def card_of_dataset(folder: Path, *, preset: str | None, tell: Tell) -> Card:
    """Measure a dataset folder; one that an importer made is a recorded log, by default held to be a note feed."""
    found = dataset.read(folder)
    origin = found.manifest.origin
    spec = origin.get("spec")
    own = spec.get("preset") if isinstance(spec, dict) else None
    chosen = preset_of(preset or (own if isinstance(own, str) else PRESETS[0]))
    name, rng = f"dataset {found.manifest.name}", np.random.default_rng(DRAW_SEED)
    recorded = "importer" in origin
    return realism_card(found.observation, name=name, preset=chosen, rng=rng, is_recorded=recorded, tell=tell)
