"""Checkpoints that a killed run goes on from, bit for bit, and that other numbers of ranks can read.

A checkpoint is a folder `step-N` with the engine's files and `stamp.json`: how far the run was, and of which run it is.
The file `latest` names the newest complete one and is replaced in one move after all ranks have written. Order of pairs
and dropout follow from (seed, step), so the step is the whole position.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch.distributed as dist

from methods.author_encoder.disk import write_whole
from methods.author_encoder.gather import n_ranks, rank

if TYPE_CHECKING:
    from methods.author_encoder.step import Material
from methods.author_encoder.engines import Engine

KEPT = 2  # checkpoints; older ones are removed
SPLIT = ("zero-1", "zero-2", "zero-3")  # engines that leave each rank's part of the optimizer in a file of its own


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which run a checkpoint is of, and where it stood. All but `step` and `n_ranks` must agree to go on."""

    step: int
    n_ranks: int
    engine: str
    seed: int
    config: str
    encoder: str  # what made it
    material: str  # hash of pairs, hard negatives and prompts

    def check(self, other: Stamp) -> None:
        """Raise ValueError where a run that wants to go on is another one than this was."""
        for name in ("engine", "seed", "config", "encoder", "material"):
            mine, wanted = getattr(self, name), getattr(other, name)
            if mine != wanted:
                raise ValueError(f"checkpoint at step {self.step}: {name}: expected {mine}, got {wanted}")


def digest(material: Material) -> str:
    """Return a hash of all that is learnt from, in its order."""
    found = hashlib.sha256()
    pairs, tokens = material.pairs, material.tokens
    for column in (pairs.first_P, pairs.second_P, material.hard_PN, tokens.offsets_S, tokens.ids_T):
        found.update(str(column.shape).encode())
        found.update(np.ascontiguousarray(column).data)
    return found.hexdigest()


def latest(folder: Path) -> Path | None:
    """Return the newest complete checkpoint under `folder`, None where there is none."""
    named = folder / "latest"
    return folder / named.read_text(encoding="utf-8").strip() if named.is_file() else None


def stamp_of(checkpoint: Path) -> Stamp:
    """Read the stamp of a checkpoint; raises ValueError where it is damaged."""
    try:
        return Stamp(**json.loads((checkpoint / "stamp.json").read_text(encoding="utf-8")))
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{checkpoint / 'stamp.json'}: expected a stamp of version 1, got {error}") from error


def save(engine: Engine, folder: Path, stamp: Stamp) -> None:
    """Write a checkpoint; a kill at any moment leaves the one before in place. All ranks call it together."""
    checkpoint = folder / f"step-{stamp.step}"
    checkpoint.mkdir(parents=True, exist_ok=True)
    engine.save(checkpoint)
    _wait()
    if engine.rank == 0:
        write_whole(checkpoint / "stamp.json", json.dumps(asdict(stamp)).encode())
        write_whole(folder / "latest", checkpoint.name.encode())
        _remove_old(folder, checkpoint)
    _wait()


def resume(engine: Engine, folder: Path, wanted: Stamp) -> int:
    """Load the newest checkpoint if there is one, and return the step to go on with; 0 without one.

    Raises ValueError where it is of another run.
    """
    checkpoint = latest(folder)
    if checkpoint is None:
        return 0
    found = stamp_of(checkpoint)
    found.check(wanted)
    engine.load(checkpoint)
    return found.step


def universal(checkpoint: Path) -> Path:
    """Return where the form of a checkpoint lies that any number of ranks can load."""
    return checkpoint.with_name(f"{checkpoint.name}_universal")


def needs_converting(folder: Path, n_ranks: int) -> bool:
    """Whether the newest checkpoint was split over another number of ranks; stage 0 and plain torch split nothing."""
    checkpoint = latest(folder)
    if checkpoint is None:
        return False
    stamp = stamp_of(checkpoint)
    return stamp.engine in SPLIT and stamp.n_ranks != n_ranks


def convert(folder: Path) -> None:
    """Write the newest checkpoint in the universal form, on rank 0; all ranks wait for it.

    Rank 0 raises ValueError where DeepSpeed's converter fails.
    """
    checkpoint = latest(folder)
    if checkpoint is None:
        raise ValueError(f"{folder}: expected a checkpoint, got none")
    made = universal(checkpoint)
    if rank() == 0 and not made.is_dir():
        half = made.with_name(f"{made.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        words = ["--input_folder", str(checkpoint), "--output_folder", str(half)]
        alone = ["--num_extract_workers", "1", "--num_merge_workers", "1"]
        command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", *words, *alone]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"{checkpoint}: expected a checkpoint that converts, got {done.stderr.strip()[-500:]}")
        half.replace(made)
    _wait()


def _wait() -> None:
    if n_ranks() > 1:
        dist.barrier()


def _remove_old(folder: Path, newest: Path) -> None:
    done = [path.parent for path in folder.glob("step-*/stamp.json")]
    old = sorted((path for path in done if path != newest), key=lambda path: stamp_of(path).step)
    for path in old[: max(0, len(old) + 1 - KEPT)]:
        shutil.rmtree(path)
        shutil.rmtree(universal(path), ignore_errors=True)
