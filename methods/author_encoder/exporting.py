"""From a trained run to a folder of sentence-transformers, with what its prompts are made of beside the weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

from transformers import AutoTokenizer

from methods.author_encoder import export, launch
from methods.author_encoder.encoder import Encoder
from methods.author_encoder.prompt_files import read_config, write_config


def export_run(prepared: Path, run: Path, to: Path) -> None:
    """Write what `run` learnt from the folder `prepared`, whole or not at all.

    Raises ValueError for a folder that is there already, for one that lacks what is read from it, for weights that are
    not of this encoder, and for an encoder of another make, which pools as it likes.
    """
    if to.exists():
        raise ValueError(f"to: expected a folder that does not exist yet, got {to}")
    config, adapter = read_config(prepared), run / launch.ADAPTER
    if not (adapter / launch.JOB).is_file():
        raise ValueError(f"{adapter / launch.JOB}: expected what training to the end leaves, got no file")
    encoder = launch.made(launch.read_job(adapter / launch.JOB), prepared)
    if not isinstance(encoder, Encoder):
        raise ValueError(f"encoder: expected {Encoder.__module__}.Encoder, got {type(encoder).__name__}")
    export.read(encoder, adapter)
    tokenizer = AutoTokenizer.from_pretrained(prepared / "backbone", local_files_only=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as scratch:
        part = Path(scratch) / to.name
        pooling = encoder.config.pooling
        export.write_sentence_transformer(encoder, tokenizer, part, max_tokens=config.max_tokens, pooling=pooling)
        write_config(config, part)
        part.rename(to)
