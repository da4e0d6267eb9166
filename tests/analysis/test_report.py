"""The report as files: whole, alone, and as the command makes it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pyarrow import parquet

from analysis.report import write_report
from analysis.report.card import CARDS, Registered
from analysis.report.command import main
from analysis.report.context import Context
from search.errors import RecordError
from search.record import SearchState
from tests.analysis.report_records import HOSTILE, SHAPES, state_of
from tests.records import make_events, write_record

ROOT = Path(__file__).parents[2]
KINDS = {".html", ".png", ".csv", ".parquet", ".json"}


class _Page(HTMLParser):
    """What a page loads, its headings, its pictures' texts, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.alts: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        own = dict(attrs)
        self.loads += [own[name] or "" for name in ("src", "href", "srcset", "data", "action") if name in own]
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.alts.append(own.get("alt") or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("single")
    write_record(found, SHAPES["single"](found))
    assert main([str(found)]) == 0
    return found


def test_the_report_is_whole(folder: Path) -> None:
    files = {path.name: path for path in (folder / "report").iterdir()}
    assert {path.suffix for path in files.values()} == KINDS
    data = json.loads(files["report.json"].read_text())
    assert data["summary"]["search"]["name"] == "demo"
    states = {name: card["state"] for name, card in data["cards"].items()}
    assert set(states) == set(CARDS)
    assert "error" not in states.values()
    shown = {name for name, state in states.items() if state == "shown"}
    assert {name.split("-")[0] for name in files if name.endswith(".png")} <= shown
    # Nothing but the report is left beside it.
    assert {path.name for path in folder.iterdir()} == {"report", "events.jsonl", "trials", "baselines"}


def test_the_page_needs_nothing_else(folder: Path) -> None:
    page = _Page((folder / "report/report.html").read_text())
    assert page.loads
    assert all(link.startswith(("#", "data:image/png;base64,")) or link == "data:," for link in page.loads)
    style = (ROOT / "analysis/report/templates/report.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in (folder / "report/report.html").read_text()


def test_the_page_is_accessible(folder: Path) -> None:
    page = _Page((folder / "report/report.html").read_text())
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert page.alts
    assert all(page.alts)
    assert "table" in page.tags


@pytest.mark.integration
def test_what_models_and_users_wrote_is_text(tmp_path: Path) -> None:
    path = write_report(state_of("whole", tmp_path), tmp_path)
    assert _errors(path) == {}
    page = _Page(path.read_text())
    assert "img" in page.tags
    assert page.tags.count("script") == 3
    assert any("onerror" in words for words in page.words)
    assert any(HOSTILE.split("$")[0].strip() in words for words in page.words)


def test_the_tables_agree(folder: Path) -> None:
    with (folder / "report/trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = parquet.read_table(folder / "report/trials.parquet").to_pylist()
    assert len(rows) == len(table) == 1
    assert list(rows[0]) == list(table[0])
    assert float(rows[0]["param.lr"]) == table[0]["param.lr"] == 1e-4
    low, own, high = (table[0][f"metric.capability{end}"] for end in (".low", "", ".high"))
    assert low < own < high


def test_a_broken_card_does_not_lose_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def applies(self, context: Context) -> str | None:
            raise ValueError("<b>a fault</b>")

        def compute(self, context: Context) -> object:
            raise AssertionError

    broken = Registered("pareto", "Pareto front", 10, Broken())  # type: ignore[arg-type]
    monkeypatch.setitem(CARDS._entries, "pareto", broken)
    path = write_report(state_of("single", tmp_path), tmp_path)
    cards = json.loads((path.parent / "report.json").read_text())["cards"]
    assert cards["pareto"]["state"] == "error"
    assert cards["pareto"]["message"] == "ValueError: <b>a fault</b>"
    assert cards["verdict"]["state"] == "shown"
    text = path.read_text()
    assert "ValueError: &lt;b&gt;a fault&lt;/b&gt;" in text


@pytest.mark.integration
def test_a_second_report_takes_the_place_of_the_first(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert main([str(folder), f"out={out}"]) == 0
    (out / "left.png").write_bytes(b"of an earlier version")
    first = (out / "report.html").stat().st_ino
    assert main([str(folder), f"out={out}"]) == 0
    assert (out / "report.html").stat().st_ino != first
    assert not (out / "left.png").exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_left_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main([str(folder), f"out={tmp_path}"]) == 2
    assert "is not a report" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_report_that_cannot_be_written_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = state_of("begun", tmp_path)
    with pytest.raises(RecordError, match="cannot be written"):
        write_report(state, folder, out=tmp_path / "file" / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "usage:"),
        (["--json", "FOLDER"], "--json: is not an option"),
        (["FOLDER", "FOLDER"], "second search"),
        (["FOLDER", "compar=x"], "did you mean compare="),
        (["FOLDER", "out="], "needs a folder"),
        (["FOLDER", "out=x", "out=y"], "given twice"),
        (["compare=x"], "SEARCH: is missing"),
        (["ABSENT"], "There is no search"),
        (["FOLDER", "compare=ABSENT"], "There is no search"),
        (["EMPTY"], "no search that has started"),
        (["DAMAGED"], "not an event"),
    ],
)
def test_bad_input_is_one_clear_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    for name, content in (("EMPTY", ""), ("DAMAGED", "not JSON\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").write_text(content)
    places = {"FOLDER": folder} | {name: tmp_path / name for name in ("ABSENT", "EMPTY", "DAMAGED")}
    before = sorted(folder.rglob("*"))
    named = [re.sub("|".join(places), lambda m: str(places[m.group()]), word) for word in words]
    assert main(named) == (1 if words == ["DAMAGED"] else 2)
    printed = capsys.readouterr()
    assert bool(printed.out) is ("--json" in words)
    assert problem in printed.err
    assert "Traceback" not in printed.err
    assert sorted(folder.rglob("*")) == before


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "compare=SEARCH" in capsys.readouterr().out


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, check=True
    )


@pytest.mark.integration
@pytest.mark.parametrize("name", ["begun", "diverged", "old", "two_seeds", "ablated", "believed"])
def test_a_search_of_another_shape_has_a_report(name: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    path = write_report(state_of(name, tmp_path / "own"), tmp_path / "own", (state_of("whole", other), other))
    assert _errors(path) == {}


def _errors(path: Path) -> dict[str, str]:
    """Messages of the cards of a report that broke."""
    cards = json.loads((path.parent / "report.json").read_text())["cards"]
    return {name: card["message"] for name, card in cards.items() if card["state"] == "error"}


@pytest.mark.integration
def test_the_page_of_a_thousand_trials_is_small(tmp_path: Path) -> None:
    """How long it takes is measured in `benchmarks.evaluation`."""
    (tmp_path / "events.jsonl").write_text(
        "".join(event.model_dump_json() + "\n" for event in make_events(1000))
    )
    _run(["-m", "analysis.report", str(tmp_path)])
    assert (tmp_path / "report/report.html").stat().st_size < 5e6
    state = SearchState.from_events(make_events(1000))
    assert parquet.read_table(tmp_path / "report/trials.parquet").num_rows == len(state.trials)
