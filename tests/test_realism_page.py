"""The card as table, page, figures and command: rendered from the card alone, the same each time."""

from __future__ import annotations

import json
import re
from html import unescape
from io import StringIO
from math import inf
from pathlib import Path

import plotly.graph_objects as go
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.cli import app, main
from bench.importers import import_dataset
from bench.realism import Card, Line, Target, render, write_card, write_json
from bench.realism.finding import Curve, Drawing
from bench.realism.page import page, to_json
from bench.realism.plots import figure_of
from bench.realism.target import BOTH, COLUMN, FEED
from bench.realism.targets import TARGETS
from simulator.simulate import simulate
from simulator.spec import TINY

CTR = Target("ctr", "clicks per impression", "share", "no number", "assumption", FEED, 0.05, 0.15, remark="assumption")
TAIL = Target("tail", "tail of <b>fans</b>", "exponent", "2.1 to 2.2", "KuaiRand, ours", BOTH, 1.9, 2.6)
BOOST = Target("boost", "boost arm", "share", "+5.87 %", "ICIS 2024", BOTH, 0.03, 0.15, origin="arms")
PLAYS = Target("plays", "plays a day", "count", "42", "KuaiRec", COLUMN)
GAP = Target("gap", "return gaps", "KS", "0.117", "KuaiRec", BOTH, 0.05, inf)
LINES = (
    Line(CTR, 0.1034, "pass", "10 of 97"),
    Line(TAIL, 3.21, "FAIL", "n = 300"),
    Line(GAP, None, "not measurable", "no days"),
    Line(BOOST, None, "run the arms", "it takes paired worlds"),
)
DRAWING = Drawing(
    "gaps",
    "Return gaps",
    "days",
    "share",
    (
        Curve("this log", (1.0, 2.0, 3.0), (0.6, 0.3, 0.1), "bars"),
        Curve("law", (1.0, 2.0, 3.0), (0.5, 0.25, 1e-12), "dashed"),
        Curve("published", (1.0,), (0.617,), "points"),
    ),
    log_x=False,
)
CARD = Card("world x, seed 1", "note-feed", "97 impressions", LINES, (Line(PLAYS, 30.0, "no target", ""),), (DRAWING,))
TABLE = """\
realism of world x, seed 1, preset note-feed
97 impressions
statistic                         this world  published               accepted band      source          verdict
clicks per impression                 10.3 %  no number               5 to 15 %          assumption      pass
                                                                      (assumption)
tail of <b>fans</b>                     3.21  2.1 to 2.2              1.9 to 2.6         KuaiRand, ours  FAIL
return gaps                                -  0.117                   ≥ 0.05             KuaiRec         not measurable:
                                                                                                         no days
boost arm                                  -  +5.87 %                 3 to 15 %          ICIS 2024       run the arms:
                                                                                                         it takes paired
                                                                                                         worlds

for comparison: no targets of this preset
statistic                         this world  published               accepted band      source
plays a day                               30  42                      -                  KuaiRec

1 pass   1 FAIL   0 no target   1 not measurable   1 run the arms
"""


def text_of(card: Card) -> str:
    file = StringIO()
    Console(file=file, width=120).print(render(card))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def test_the_terminal_table_is_this() -> None:
    assert text_of(CARD) == TABLE


def test_the_page_shows_every_row_with_its_detail_and_judges_no_comparison() -> None:
    text = page(CARD)
    targets, comparison = text.split('<section id="comparison">')
    assert re.findall(r'class="verdict [a-z-]+">([^<]+)<', targets) == [line.verdict for line in LINES]
    assert 'class="verdict' not in comparison
    for line in (*LINES, *CARD.compared):
        assert f'<tr id="{line.target.id}">' in text
        assert line.detail in unescape(text)


def test_what_a_card_says_cannot_become_markup() -> None:
    assert "<b>fans" not in page(CARD)
    assert "&lt;b&gt;fans" in page(CARD)


def test_the_page_needs_no_network_and_is_the_same_each_time(tmp_path: Path) -> None:
    written = write_card(CARD, tmp_path / "out")
    assert written.read_text("utf-8") == page(CARD)
    head = re.sub(r"<script>.*?</script>", "", page(CARD), flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#|data:)', head)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["card.json", "realism.html"]
    write_card(CARD, tmp_path / "out")  # an older card is replaced


def test_figures_are_plotly_figures_that_follow_their_own_log() -> None:
    figure = figure_of(DRAWING)
    coloured = json.loads(re.sub(r'"color": "(c\d|ink)"', '"color": "red"', json.dumps(figure)))
    assert len(go.Figure(coloured).data) == 3
    low, high = figure["layout"]["yaxis"]["range"]
    assert -1.5 < low < -0.99  # the least share of this log, not of the law that falls to 1e-12
    assert -0.3 < high < 0.3
    assert [trace["type"] for trace in figure["data"]] == ["bar", "scatter", "scatter"]


def test_the_json_names_every_figure(tmp_path: Path) -> None:
    found = json.loads(write_json(CARD, tmp_path / "card.json").read_text("utf-8"))
    assert found == json.loads(to_json(CARD))
    assert found["counts"] == {"pass": 1, "FAIL": 1, "no target": 0, "not measurable": 1, "run the arms": 1}
    assert found["rows"]["tail"]["value"] == 3.21
    assert (found["rows"]["gap"]["low"], found["rows"]["gap"]["high"]) == (0.05, None)
    assert {name: row["verdict"] for name, row in found["for_comparison"].items()} == {"plays": None}
    assert found["drawings"]["gaps"]["curves"][0]["y"] == [0.6, 0.3, 0.1]


def realism(*words: str | Path) -> str:
    result = CliRunner().invoke(app, ["realism", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_holds_a_world_against_its_own_preset(tmp_path: Path) -> None:
    said = realism("--world", "tiny", "--seed", "3", "--out", tmp_path / "a", "--json", tmp_path / "figures.json")
    assert "realism of world tiny, seed 3, preset note-feed" in said
    assert (tmp_path / "figures.json").read_bytes() == (tmp_path / "a" / "card.json").read_bytes()
    video = realism("--world", "tiny-video", "--seed", "3", "--out", tmp_path / "b")
    assert "preset single-column" in video
    rows = json.loads((tmp_path / "b" / "card.json").read_text("utf-8"))["rows"]
    assert (rows["watch-ratio"]["verdict"], rows["watch-ratio"]["value"]) == ("FAIL", None)


def test_a_dataset_folder_has_the_card_of_its_world(tmp_path: Path) -> None:
    simulate(TINY, tmp_path / "tiny", seed=3)
    realism("--dataset", tmp_path / "tiny", "--out", tmp_path / "a")
    realism("--world", "tiny", "--seed", "3", "--out", tmp_path / "b")
    one, other = (json.loads((tmp_path / name / "card.json").read_text("utf-8")) for name in ("a", "b"))
    arms = {target.id for target in TARGETS if target.origin == "arms"}
    assert {name: row for name, row in one["rows"].items() if name not in arms} == {
        name: row for name, row in other["rows"].items() if name not in arms
    }
    assert other["rows"]["elasticity/first-engagement"]["value"] is not None
    assert one["name"] == "dataset tiny"


def test_an_imported_log_is_a_recorded_one(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("u,i,t\na,x,10\na,y,20\nb,x,30\n")
    import_dataset("tabular", tmp_path / "clicks.csv", tmp_path / "log", {"user": "u", "item": "i", "time": "t"})
    said = realism("--dataset", tmp_path / "log", "--preset", "single-column", "--out", tmp_path / "out")
    assert "preset single-column" in said
    assert "0 pass   0 FAIL" in said


def test_an_unknown_preset_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["coldrecall", "realism", "--world", "tiny", "--preset", "news"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said == "error: preset: expected one of note-feed, single-column, got 'news'\n"
