"""A changed source is another hash, wherever it lies below a method."""

import re
from pathlib import Path

import pytest

from bench.hashes import EXAM_CODE, SCORE_CODE, WORLD_CODE, code_hash, method_hash


def test_a_method_hash_follows_what_its_package_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "borrowed_methods"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text("from borrowed_methods.helper import weight\nimport json\n")
    (package / "helper.py").write_text("weight = 1\n")
    (package / "other.py").write_text("weight = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def hashed() -> str:
        method_hash.cache_clear()
        code_hash.cache_clear()
        return method_hash("borrowed_methods.mine")

    first = hashed()
    (package / "other.py").write_text("weight = 2\n")
    assert hashed() == first
    (package / "helper.py").write_text("weight = 2\n")
    assert hashed() != first


def test_a_method_in_no_package_is_hashed_with_what_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lonely_method.py").write_text("import lonely_helper\nimport json\n")
    (tmp_path / "lonely_helper.py").write_text("sign = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    method_hash.cache_clear()
    first = method_hash("lonely_method")
    (tmp_path / "lonely_helper.py").write_text("sign = -1\n")
    method_hash.cache_clear()
    code_hash.cache_clear()
    assert method_hash("lonely_method") != first


def test_methods_that_share_code_are_told_apart() -> None:
    assert len({method_hash(f"methods.{name}") for name in ("als", "bpr", "item_cf", "swing")}) == 4


@pytest.mark.parametrize("names", [WORLD_CODE, EXAM_CODE, SCORE_CODE])
def test_every_named_source_is_there(names: tuple[str, ...]) -> None:
    assert len({code_hash((name,)) for name in names}) == len(names)


def test_what_makes_and_reads_an_exam_is_hashed_with_it() -> None:
    asked_in_the_key = {"bench.task", "bench.tasks"}  # a task's fingerprint stands beside the hash
    types_alone = {"bench.answer", "bench.check"}
    for name in (name for name in EXAM_CODE if name.startswith("bench.")):
        source = (Path(__file__).parents[1] / f"{name.replace('.', '/')}.py").read_text()
        imported = set(re.findall(r"^from (bench[\w.]*) import", source, re.MULTILINE))
        assert imported - asked_in_the_key - types_alone <= set(SCORE_CODE), name
