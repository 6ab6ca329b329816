"""The code keeps its shape: imports point one way, screens stay small, luck is passed in, nothing is printed.

Each rule is run over all our code, and over small planted sources: those that break it, to see that it bites, and
those that only look as if they did.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture_rules import (
    HEAVY,
    LAYERS,
    MAX_FILE_LINES,
    MAX_FUNCTION_LINES,
    RULES,
    Module,
    Rule,
    files_fit_in_300_lines,
    functions_fit_in_40_lines,
    imports_are_absolute,
    imports_point_one_way,
    luck_is_passed_in,
    methods_know_the_schema_only,
    modules_under,
    no_module_shadows_the_standard_library,
    nothing_is_printed,
    only_bench_imports_the_oracle,
    only_methods_import_heavy_packages,
    parse,
)

ROOT = Path(__file__).parents[1]
PROBE = """
import sys
from importlib import import_module
root, *names = sys.argv[1:]
sys.path.insert(0, root)
for name in names:
    import_module(name)
sys.stdout.write(" ".join(sys.modules))
"""
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
    assert list(rule(parse(name, source))) != []


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


def heavy_loaded_with(package: str, root: Path) -> frozenset[str]:
    """Import all modules of the package in a new process and say which heavy packages came along."""
    names = [module.name for module in modules_under(root, package) if not module.name.endswith(".__main__")]
    command = [sys.executable, "-c", PROBE, str(root), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("package", ["simulator", "bench", "leaderboards"])
def test_a_package_loads_nothing_heavy(package: str) -> None:
    assert heavy_loaded_with(package, ROOT) == set()


def test_a_heavy_package_that_comes_along_is_caught(tmp_path: Path) -> None:
    for file, source in {
        "bench/__init__.py": "",
        "bench/cli.py": "import methods",
        "methods/__init__.py": "import torch",
        "torch.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(source)
    assert heavy_loaded_with("bench", tmp_path) == {"torch"}
