"""Records survive the disk, a kill and a reader's typo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.plan import config_of
from bench.record import Machine, Measured, MetricValue, RecordError, ResultRecord, append, load, renew, repair
from methods.registry import METHODS, create

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 10**9)
VALUES = st.builds(
    MetricValue, mean=st.none() | NUMBERS, low=st.none() | NUMBERS, high=NUMBERS, n=COUNTS, n_undefined=COUNTS
)
RECORDS = st.builds(
    ResultRecord,
    cell=st.text(),
    config=st.dictionaries(st.text(), st.none() | st.booleans() | NUMBERS | st.text() | st.lists(COUNTS)),
    seed=COUNTS,
    error=st.none() | st.text(),
    metrics=st.dictionaries(st.text(), VALUES),
    claimed=st.dictionaries(st.text(), NUMBERS),
    machine=st.builds(Machine, cpu=st.text(), packages=st.dictionaries(st.text(), st.text())),
)


def a_record(**changes: Any) -> ResultRecord:
    machine = Machine(cpu="a", cores=2, python="3.11", packages={})
    fields: dict[str, Any] = {
        "cell": "c",
        "task": "t",
        "source": "small",
        "fingerprint": "f",
        "method": "m",
        "config": {},
    }
    return ResultRecord(**(fields | {"seed": 1, "commit": "x", "status": "ok", "machine": machine} | changes))


@given(RECORDS)
def test_a_record_survives_its_line(record: ResultRecord) -> None:
    line = record.model_dump_json()
    assert "\n" not in line
    assert ResultRecord.model_validate_json(line) == record


def test_appended_records_are_loaded_in_order(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    assert load(path) == []
    records = [a_record(seed=seed, error="two\nlines\u2028here") for seed in range(3)]
    for record in records:
        append(path, record)
    assert load(path) == records


def test_a_record_that_is_used_again_is_the_newest_of_its_method(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    old, new, other = a_record(cell="old"), a_record(cell="new"), a_record(cell="other", method="n")
    for record in (old, other, new):
        append(path, record)
    renew(path, {"new", "other"})
    assert load(path) == [old, other, new]
    renew(path, {"old", "other"})
    assert load(path) == [old, other, new, old]
    renew(path, {"old", "other"})
    assert load(path) == [old, other, new, old]


@pytest.mark.parametrize("lost", [1, 2, 40])
def test_a_torn_last_line_is_no_record_and_repair_cuts_it_off(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "records.jsonl"
    append(path, a_record(seed=1))
    whole = path.read_bytes()
    append(path, a_record(seed=2))
    path.write_bytes(path.read_bytes()[:-lost])
    assert load(path) == [a_record(seed=1)]
    repair(path)
    assert path.read_bytes() == whole
    append(path, a_record(seed=3))
    assert [record.seed for record in load(path)] == [1, 3]


def test_repair_leaves_whole_files_and_missing_ones_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    repair(path)
    assert not path.exists()
    append(path, a_record())
    before = path.read_bytes()
    repair(path)
    assert path.read_bytes() == before


def test_repair_empties_a_file_whose_only_line_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"schema_version":1,"ce')
    assert load(path) == []
    repair(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"seed":1', b'"seed":"1"', "seed"),
        (b'"cores":2', b'"cores":2.5', "machine.cores"),
        (b'"status":"ok"', b'"status":"fine"', "status"),
        (b'"schema_version":1', b'"schema_version":2', "schema_version"),
        (b'"seed":1', b'"seed":1,"mood":"good"', "mood"),
        (b'"seed":1', b'"seed":', "line"),
    ],
)
def test_a_bad_line_is_refused_with_file_line_and_field(tmp_path: Path, old: bytes, new: bytes, field: str) -> None:
    path = tmp_path / "records.jsonl"
    append(path, a_record())
    line = path.read_bytes()
    assert old in line
    path.write_bytes(line + line.replace(old, new))
    with pytest.raises(RecordError, match=rf"records\.jsonl:2: {field}: "):
        load(path)


def test_what_is_no_number_is_no_measurement() -> None:
    names = [name for name in Measured.model_fields if name != "peak_bytes"]
    with pytest.raises(ValidationError, match="fit_seconds"):
        Measured(**(dict.fromkeys(names, 1.0) | {"fit_seconds": float("nan")}), peak_bytes=1)


@pytest.mark.parametrize("name", METHODS)
def test_the_config_of_every_method_of_the_table_can_be_recorded(name: str) -> None:
    json.dumps(config_of(create(name)), allow_nan=False)


def test_infinity_is_a_word_however_deep_it_lies() -> None:
    assert config_of(create("author-encoder"))["learning"]["pairs"]["tau_days"] == "inf"  # type: ignore[index,call-overload]
