"""The command: what it writes, lists and refuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app, main
from bench.importers import IMPORTERS
from bench.naming import tasks_of
from bench.plan import TRUTHS, Plan
from bench.tasks import TASKS
from methods.registry import METHODS
from simulator.dataset import read, read_manifest
from simulator.spec import WORLDS


def coldrecall(*words: str | int | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_simulate_writes_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        coldrecall("simulate", "--world", "tiny", "--seed", seed, "--out", tmp_path / name)
    found = (path for path in (tmp_path / "one").rglob("*") if path.is_file())
    files = sorted(str(path.relative_to(tmp_path / "one")) for path in found)
    assert files == [
        "authors.parquet",
        *(f"events/part-{day:05d}.parquet" for day in range(16)),
        "follows.parquet",
        "manifest.json",
        "notes.parquet",
        "users.parquet",
    ]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    manifest = read_manifest(tmp_path / "one")
    assert manifest.fingerprint != read_manifest(tmp_path / "other").fingerprint
    assert manifest.origin["seed"] == 7
    assert len(read(tmp_path / "one").observation.events) == manifest.tables["events"].rows > 10_000


def test_import_reads_a_table_with_a_column_map(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("uid,iid,ts\na,x,10\na,y,20\nb,x,30\n")
    options = [word for option in ("user=uid", "item=iid", "time=ts") for word in ("--option", option)]
    said = coldrecall("import", "tabular", tmp_path / "clicks.csv", "--out", tmp_path / "clicks", *options)
    assert "3 events" in " ".join(said.split())  # folded where the path is long
    assert len(read(tmp_path / "clicks").observation.catalog.notes) == 2


def test_tasks_that_run_when_named_are_named() -> None:
    assert tasks_of("world") == Plan().tasks
    assert {name.partition("/")[0] for name in tasks_of("world,robust/*")} - {"robust"} == {
        name.partition("/")[0] for name in tasks_of("world")
    }
    assert len(tasks_of("world,robust/*")) == len(Plan().tasks) + 3


@pytest.mark.parametrize(("command", "names"), [("tasks", TASKS), ("methods", [*METHODS, *TRUTHS]), ("worlds", WORLDS)])
def test_tables_are_listed(command: str, names: list[str]) -> None:
    said = coldrecall(command)
    for name in names:
        assert name in said


def test_the_help_names_every_layout() -> None:
    said = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "200"}).output
    for layout in IMPORTERS:
        assert layout in said


def _run_of(name: str) -> list[str]:
    return ["run", "--world", "tiny", "--methods", f"random,tests.unready_methods:{name}"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["simulate", "--world", "tinny", "--out", "x"],
            "world: expected one of tiny, small, medium, large, tiny-video, small-video, got 'tinny'",
        ),
        (["run", "--methods", "nope", "--world", "tiny"], "method: expected one of random, "),
        (_run_of("NoCapabilities"), "tests.unready_methods:NoCapabilities.capabilities to be Capabilities, got none"),
        (_run_of("NoConfig"), "tests.unready_methods:NoConfig.config to be a dataclass, got NoneType"),
        (_run_of("NeedsWords"), "to be imported and made without arguments, got TypeError: "),
        (_run_of("Absent"), "method: expected package.module:Class that can be imported"),
        (
            ["run", "--world", "tiny", "--methods", "als", "--tasks", "publish/*"],
            "methods: expected one that serves",
        ),
        (
            ["tune", "nope", "--task", "author-cold/u2a/j5", "--cached", "--log", "/nowhere"],
            "/nowhere: expected trials of nope, got none of nope",
        ),
        (["run", "--tasks", "gowalla/*", "--data", "/nowhere"], "data: expected a folder with gowalla-lightgcn"),
        (["import", "tabular", "/nowhere.csv", "--out", "x", "--option", "user=u"], "options: item: expected a column"),
        (
            ["embed-authors", "--dataset", "x", "--out", "x", "--prompts", "nosuch:fn"],
            "prompts: expected package.module:",
        ),
        (
            ["train-author-encoder", "--dataset", "x", "--out", "x", "--encoder", "nosuch:fn"],
            "encoder: expected package.",
        ),
        (["parity", "--cached"], "kept: expected a folder of records, got docs/parity, which is none"),
        (["report", "/nowhere"], "/nowhere/records.jsonl: expected the records of a run"),
        (["run", "--seeds", "1,1", "--world", "tiny"], "seeds: expected distinct numbers"),
        (["run", "--world", "tiny", "--cell-seconds", "0"], "seconds: expected more than 0, got 0.0"),
        (["run", "--world", "tiny", "--ray", "here"], "ray: expected local, auto or HOST:PORT, got 'here'"),
        (["run", "--world", "tiny", "--ray", "127.0.0.1:1"], "ray: expected a cluster at 127.0.0.1:1, got none"),
        (["run", "--world", "tiny", "--cell-memory", "-1"], "memory_bytes: expected more than 0, got -1000000000.0"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["coldrecall", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "Traceback" not in said
