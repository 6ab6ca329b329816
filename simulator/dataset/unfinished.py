"""A dataset in the making: a hidden sibling of its folder that one process holds and that outlives a kill.

    .NAME.unfinished/
        journal.json    whose dataset it is, and the parts that are finished
        checkpoint/     what the caller needs to go on
        dataset/        becomes NAME in one rename

The journal is replaced after each part; nothing waits for the disk, since a part is believed by its sha256 only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from simulator.dataset.manifest import SCHEMA_VERSION, DatasetError, Part, Sha256
from simulator.dataset.parquet import file_sha256
from simulator.dataset.tables import EVENTS, part_file


class Step(BaseModel):
    """A finished part, and the chain of the events' digest after it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    part: Part
    chain: Sha256


class Journal(BaseModel):
    """Whose dataset it is - `key` stands for all that decides the events - and how far it has come."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: Literal[2] = SCHEMA_VERSION
    key: str
    name: str
    origin: dict[str, JsonValue]
    texts: bool
    steps: tuple[Step, ...] = ()

    def cut(self, n_parts: int) -> Journal:
        """Return the journal as it was after `n_parts` parts."""
        return self.model_copy(update={"steps": self.steps[:n_parts]})


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The hidden sibling, locked: `handle` holds the lock, which dies with its process."""

    root: Path
    handle: int

    @property
    def dataset(self) -> Path:
        """What becomes the dataset."""
        return self.root / "dataset"

    @property
    def checkpoint(self) -> Path:
        """What the caller keeps."""
        return self.root / "checkpoint"

    def resume(self, fresh: Journal) -> Journal:
        """Return the journal of what is here and sound, or `fresh` where the dataset is another one's."""
        journal = self._load()
        if journal is None or journal.cut(0) != fresh:
            self.clear()
            journal = fresh
        (self.dataset / EVENTS).mkdir(parents=True, exist_ok=True)
        self.checkpoint.mkdir(exist_ok=True)
        n_sound = 0
        while n_sound < len(journal.steps) and self._is_sound(journal.steps[n_sound].part, n_sound):
            n_sound += 1
        return self.keep(journal.cut(n_sound))

    def keep(self, journal: Journal) -> Journal:
        """Write the journal, then remove every file that it does not know."""
        self.save(journal)
        known = {self.dataset / step.part.file for step in journal.steps}
        for path in self.dataset.rglob("*"):
            if path not in known and not path.is_dir():
                path.unlink()
        return journal

    def save(self, journal: Journal) -> None:
        """Replace the journal whole."""
        draft = self.root / "journal.draft"
        draft.write_text(journal.model_dump_json())
        draft.replace(self._journal)

    def clear(self) -> None:
        """Empty the sibling but keep it: the lock is on it."""
        for path in self.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def remove(self) -> None:
        """Remove the sibling with all that is in it."""
        shutil.rmtree(self.root)

    def release(self) -> None:
        """Let others at it."""
        os.close(self.handle)

    @property
    def _journal(self) -> Path:
        return self.root / "journal.json"

    def _load(self) -> Journal | None:
        try:
            return Journal.model_validate_json(self._journal.read_bytes())
        except (OSError, ValidationError):
            return None

    def _is_sound(self, part: Part, number: int) -> bool:
        path = self.dataset / part.file
        return part.file == part_file(EVENTS, number) and path.is_file() and file_sha256(path) == part.sha256


def claim(folder: Path) -> Unfinished:
    """Make the hidden sibling of `folder` or find it there, and lock it; a second process is refused."""
    root = folder.with_name(f".{folder.name}.unfinished")
    while True:
        root.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # its holder has just finished and removed it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if root.exists() and os.path.samestat(os.stat(root), os.fstat(handle)):
                return Unfinished(root, handle)
        except BlockingIOError as error:
            os.close(handle)
            raise DatasetError(str(root), "no other process that writes this dataset", "one at work") from error
        os.close(handle)
