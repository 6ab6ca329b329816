"""One small dataset folder, to be read and to be broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator import dataset
from simulator.dataset import Manifest
from simulator.schema import Kind, StoredTexts, Texts
from tests.schema_examples import an_observation

ORIGIN: dict[str, Any] = {"world": "tiny", "seed": 1, "version": "0.1.0", "spec": {"share": 0.1}}
IDS: dict[Kind, Texts] = {"user": StoredTexts.of(["u1", "u2"]), "note": StoredTexts.of(["n1", "n2", "n3"])}


def write_one(folder: Path) -> Manifest:
    return dataset.write(folder, an_observation(), name="one", origin=ORIGIN, source_ids=IDS)
