"""Rules of architecture: each is a function from one module's source to what it finds wrong there."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LAYERS = ("simulator", "methods", "bench", "leaderboards")  # each may import those before it
HEAVY = frozenset({"torch", "transformers", "peft", "deepspeed", "faiss"})
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 40
SEEDABLE = frozenset(f"numpy.random.{name}" for name in ("default_rng", "SeedSequence", "PCG64"))
SEEDED = SEEDABLE | {"numpy.random.Generator"}
GLOBAL_SEEDS = frozenset({"manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state"})
DOTTED_NAME = re.compile(rf"({'|'.join(LAYERS)})(\.\w+)+(:\w+)?")  # what a registry holds, imported on demand


@dataclass(frozen=True, slots=True)
class Module:
    """A module's dotted name (a package goes by its folder's), its source and its syntax tree."""

    name: str
    source: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Import:
    """One imported thing by its full name, and the name it goes by in the module."""

    full: str
    local: str
    line: int


Rule = Callable[[Module], Iterator[str]]


def parse(name: str, source: str) -> Module:
    return Module(name, source, ast.parse(source))


def name_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_under(root: Path, *folders: str) -> list[Module]:
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    return [parse(name_of(path, root), path.read_text(encoding="utf-8")) for path in paths]


def imports(module: Module) -> Iterator[Import]:
    """List absolute imports anywhere in the module, `from a import b` as a.b."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                yield Import(alias.name, local, node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", alias.asname or alias.name, node.lineno)


def dependencies(module: Module) -> Iterator[tuple[str, int]]:
    """List what a module imports, or names in a string to import on demand."""
    for found in imports(module):
        yield found.full, found.line
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED_NAME.fullmatch(node.value):
            yield node.value.replace(":", "."), node.lineno


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def imports_point_one_way(module: Module) -> Iterator[str]:
    right = (*LAYERS[LAYERS.index(module.layer) + 1 :], "tests", "benchmarks")
    for name, line in dependencies(module):
        if name.partition(".")[0] in right:
            yield f"{module.name}:{line}: {module.layer} imports {name}"


def methods_know_the_schema_only(module: Module) -> Iterator[str]:
    for name, line in dependencies(module):
        if module.layer == "methods" and is_within(name, "simulator") and not is_within(name, "simulator.schema"):
            yield f"{module.name}:{line}: a method imports {name}"


def only_bench_imports_the_oracle(module: Module) -> Iterator[str]:
    for name, line in dependencies(module):
        if module.layer != "bench" and is_within(name, "simulator.oracle"):
            yield f"{module.name}:{line}: {module.layer} imports the truth"


def only_methods_import_heavy_packages(module: Module) -> Iterator[str]:
    for found in imports(module):
        if module.layer != "methods" and found.full.partition(".")[0] in HEAVY:
            yield f"{module.name}:{found.line}: {module.layer} imports {found.full}"


def imports_are_absolute(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{module.name}:{node.lineno}: a relative import"


def files_fit_in_300_lines(module: Module) -> Iterator[str]:
    n_lines = len(module.source.splitlines())
    if n_lines > MAX_FILE_LINES:
        yield f"{module.name}: {n_lines} lines"


def functions_fit_in_40_lines(module: Module) -> Iterator[str]:
    """Count from `def` to the end, without decorators and docstring."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = _extent(node) - (_extent(node.body[0]) if ast.get_docstring(node) is not None else 0)
            if n_lines > MAX_FUNCTION_LINES:
                yield f"{module.name}:{node.lineno}: {node.name} has {n_lines} lines"


def _extent(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def luck_is_passed_in(module: Module) -> Iterator[str]:
    """Refuse shared or unseeded random state of numpy, torch, transformers and the standard library."""
    known = {found.local: _bound(found) for found in imports(module)}
    used = {(found.full, found.line) for found in imports(module)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            used.add((_full_name(node, known), node.lineno))
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            name = _full_name(node.func, known)
            if name in SEEDABLE:
                yield f"{module.name}:{node.lineno}: {name} without a seed"
    for name, line in sorted(used):
        if _is_shared_luck(name):
            yield f"{module.name}:{line}: {name} is shared random state"


def _bound(found: Import) -> str:
    """Return what the local name stands for: `import a.b` binds a, `import a.b as c` binds a.b."""
    return found.local if found.full.startswith(f"{found.local}.") else found.full


def _full_name(node: ast.expr, known: dict[str, str]) -> str:
    """Spell an attribute chain by the imports it starts from; "" where it starts from something else."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute):
        start = _full_name(node.value, known)
        return start and f"{start}.{node.attr}"
    return ""


def _is_shared_luck(name: str) -> bool:
    if is_within(name, "torch"):
        return name.rpartition(".")[2] in GLOBAL_SEEDS
    if is_within(name, "numpy.random"):
        return name != "numpy.random" and not any(is_within(name, seeded) for seeded in SEEDED)
    return is_within(name, "random") or name == "transformers.set_seed"


def nothing_is_printed(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield f"{module.name}:{node.lineno}: print"


def no_module_shadows_the_standard_library(module: Module) -> Iterator[str]:
    for part in module.name.split("."):
        if part in sys.stdlib_module_names:
            yield f"{module.name}: {part} is a module of the standard library"


RULES: tuple[Rule, ...] = (
    imports_point_one_way,
    methods_know_the_schema_only,
    only_bench_imports_the_oracle,
    only_methods_import_heavy_packages,
    imports_are_absolute,
    files_fit_in_300_lines,
    functions_fit_in_40_lines,
    luck_is_passed_in,
    nothing_is_printed,
    no_module_shadows_the_standard_library,
)
