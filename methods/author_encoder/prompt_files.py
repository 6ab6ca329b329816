"""What prompts were made of, as a file: in a prepared folder beside the tokens, in an exported one beside weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from methods.author_encoder.prompts import PromptConfig

FILE = "prompt.json"


def write_config(config: PromptConfig, folder: Path) -> None:
    """Write the config into a folder, which is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(asdict(config), indent=1) + "\n", encoding="utf-8")


def read_config(folder: Path) -> PromptConfig:
    """Read what `write_config` wrote; raises ValueError naming the file where it is missing or says something else."""
    path = folder / FILE
    if not path.is_file():
        raise ValueError(f"{path}: expected the config of prompts, got no file")
    try:
        return PromptConfig(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: expected the config of prompts, got {error}") from error
