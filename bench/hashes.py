"""Hashes of source code: a result is made anew when what made it has changed."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from simulator.sources import digest_of

# What decides a world's data; what decides the question and its answers; what decides the score.
WORLD_CODE = ("simulator",)
EXAM_CODE = (
    "simulator",
    "bench.ask",
    "bench.case",
    "bench.damage",
    "bench.described",
    "bench.probe",
    "bench.split",
    "bench.truth",
    "bench.exam",
)
_MEASURES = tuple(f"bench.{name}" for name in ("exposure", "gauc", "metrics", "ratios", "relevant", "score"))
SCORE_CODE = (*EXAM_CODE, *_MEASURES, "bench.readings.concentration", "methods.factors", "methods.ranking")
_IMPORT = re.compile(r"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)


@lru_cache
def code_hash(names: tuple[str, ...]) -> str:
    """Return the sha256 of the sources of modules and packages."""
    return digest_of(path for name in names for path in _files(name))


@lru_cache
def method_hash(module: str) -> str:
    """Return the sha256 of a method's module and of what it imports, directly or not, of its package and `methods`.

    Of a module that lies in no package, what lies in the same folder is its own too.
    """
    found, waiting, own = set[str](), [module], {module.partition(".")[0], "methods"}
    if "." not in module:
        own |= {path.stem for file in _files(module) for path in file.parent.glob("*.py")}
    while waiting:
        name = waiting.pop()
        files = _files(name)
        if name not in found and len(files) == 1:
            found.add(name)
            waiting += [used for used in _IMPORT.findall(files[0].read_text()) if used.partition(".")[0] in own]
    return code_hash(tuple(sorted(found)))


def _files(name: str) -> list[Path]:
    """Return the source file of a module, or all of a package and its data."""
    spec = find_spec(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return []
    path = Path(spec.origin)
    if path.name != "__init__.py" or "." in name:
        return [path]
    return [file for file in path.parent.rglob("*") if file.suffix in (".py", ".json")]
