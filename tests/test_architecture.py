"""The code keeps its shape: imports point one way, screens stay small, luck is passed in, nothing is printed.

A rule is a function from a module's source to what it finds wrong there. Each is run over all our code, and over
small planted sources: those that break it, to see that it bites, and those that only look as if they did.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
LONG_BODY = "    pass\n" * MAX_FUNCTION_LINES
# rule, module, source
BROKEN: tuple[tuple[Rule, str, str], ...] = (
    (imports_point_one_way, "simulator.world", "from methods.base import Method"),
    (imports_point_one_way, "methods.popular", "def f():\n    import bench"),
    (imports_point_one_way, "bench.run", "from leaderboards import page"),
    (imports_point_one_way, "bench.run", "from tests.schema_examples import catalog"),
    (imports_point_one_way, "simulator.spec", "MAKER = 'bench.worker:work'"),
    (methods_know_the_schema_only, "methods.popular", "import simulator"),
    (methods_know_the_schema_only, "methods.popular", "from simulator import world"),
    (methods_know_the_schema_only, "methods.popular", "import_module('simulator.luck')"),
    (only_bench_imports_the_oracle, "methods.popular", "from simulator.oracle import Oracle"),
    (only_bench_imports_the_oracle, "simulator.world", "from simulator import oracle"),
    (only_bench_imports_the_oracle, "leaderboards.page", "import simulator.oracle"),
    (only_methods_import_heavy_packages, "bench.run", "def f():\n    import torch.nn as nn"),
    (only_methods_import_heavy_packages, "simulator.text.render", "from transformers import AutoTokenizer"),
    (only_methods_import_heavy_packages, "leaderboards.page", "import faiss"),
    (imports_are_absolute, "methods.popular", "from .base import Method"),
    (imports_are_absolute, "methods.popular", "from . import base"),
    (files_fit_in_300_lines, "bench.run", "x = 1\n" * (MAX_FILE_LINES + 1)),
    (functions_fit_in_40_lines, "bench.run", f"def f():\n{LONG_BODY}"),
    (functions_fit_in_40_lines, "bench.run", f"async def f():\n{LONG_BODY}"),
    (luck_is_passed_in, "methods.popular", "import numpy as np\nnp.random.rand(3)"),
    (luck_is_passed_in, "methods.popular", "import numpy\nimport numpy.random\nnumpy.random.seed(1)"),
    (luck_is_passed_in, "methods.popular", "from numpy import random\nrandom.shuffle(x)"),
    (luck_is_passed_in, "methods.popular", "from numpy.random import permutation"),
    (luck_is_passed_in, "methods.popular", "import numpy as np\nrng = np.random.default_rng()"),
    (luck_is_passed_in, "methods.popular", "import random\nrandom.random()"),
    (luck_is_passed_in, "methods.popular", "from random import choice"),
    (luck_is_passed_in, "methods.popular", "import torch\ntorch.manual_seed(1)"),
    (luck_is_passed_in, "methods.popular", "from torch import cuda\ncuda.manual_seed_all(1)"),
    (nothing_is_printed, "bench.run", "print('done')"),
    (nothing_is_printed, "bench.run", "tell = print"),
    (no_module_shadows_the_standard_library, "bench.statistics", ""),
    (no_module_shadows_the_standard_library, "simulator.queue.day", ""),
)
SOUND: tuple[tuple[Rule, str, str], ...] = (
    (imports_point_one_way, "bench.run", "import simulator.world\nfrom methods.base import Method"),
    (imports_point_one_way, "simulator.world", "STREAM = 'benchmark.day'\nimport benchlike"),
    (methods_know_the_schema_only, "methods.popular", "from simulator import schema\nimport simulator.schema.checks"),
    (only_bench_imports_the_oracle, "bench.truth", "from simulator.oracle import Oracle"),
    (only_methods_import_heavy_packages, "methods.sasrec", "import torch"),
    (files_fit_in_300_lines, "bench.run", "x = 1\n" * MAX_FILE_LINES),
    (functions_fit_in_40_lines, "bench.run", f"@g\n@h\ndef f():\n    '''One.\n\n    Two.\n    '''\n{LONG_BODY[9:]}"),
    (luck_is_passed_in, "methods.popular", "import numpy as np\nnp.random.default_rng(1).random()"),
    (luck_is_passed_in, "methods.popular", "import numpy as np\ndef f(*, rng: np.random.Generator): rng.random()"),
    (luck_is_passed_in, "methods.popular", "import torch\ntorch.Generator().manual_seed(1)\ntorch.rand(3)"),
    (nothing_is_printed, "bench.run", "console.print('done')"),
    (no_module_shadows_the_standard_library, "bench.stats", ""),
)


def names_of(sources: tuple[tuple[Rule, str, str], ...]) -> list[str]:
    return [f"{rule.__name__}: {(source or name).splitlines()[-1].strip()}" for rule, name, source in sources]


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return modules_under(ROOT, *LAYERS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_our_code_keeps_the_rule(rule: Rule, modules: list[Module]) -> None:
    assert [fault for module in modules for fault in rule(module)] == []


def test_no_test_module_shadows_the_standard_library() -> None:
    found = modules_under(ROOT, "tests", "benchmarks")
    assert [fault for module in found for fault in no_module_shadows_the_standard_library(module)] == []


@pytest.mark.parametrize(("rule", "name", "source"), BROKEN, ids=names_of(BROKEN))
def test_a_planted_violation_is_caught(rule: Rule, name: str, source: str) -> None:
    assert len(list(rule(parse(name, source)))) == 1


@pytest.mark.parametrize(("rule", "name", "source"), SOUND, ids=names_of(SOUND))
def test_what_only_looks_like_a_violation_passes(rule: Rule, name: str, source: str) -> None:
    assert list(rule(parse(name, source))) == []


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_the_rules_see_every_layer(modules: list[Module]) -> None:
    assert {module.layer for module in modules} == set(LAYERS)


def package_markers(folder: Path) -> list[Path]:
    return sorted(folder.rglob("__init__.py"))


def test_tests_are_no_package() -> None:
    assert package_markers(ROOT / "tests") == []


def test_a_planted_package_marker_is_caught(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "__init__.py").touch()
    assert package_markers(tmp_path) == [tmp_path / "deep" / "__init__.py"]


def heavy_loaded_with(package: str, root: Path) -> str:
    """Import all modules of the package in a new process and say which heavy packages came along."""
    names = [module.name for module in modules_under(root, package) if not module.name.endswith(".__main__")]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); import importlib; "
        f"[importlib.import_module(name) for name in {names}]; "
        f"sys.stdout.write(' '.join(sorted({set(HEAVY)} & sys.modules.keys())))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", ["simulator", "bench", "leaderboards"])
def test_a_package_loads_nothing_heavy(package: str) -> None:
    assert heavy_loaded_with(package, ROOT) == ""


def test_a_heavy_package_that_comes_along_is_caught(tmp_path: Path) -> None:
    for file, source in {
        "bench/__init__.py": "",
        "bench/cli.py": "import methods",
        "methods/__init__.py": "import torch",
        "torch.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(source)
    assert heavy_loaded_with("bench", tmp_path) == "torch"
