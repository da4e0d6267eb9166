"""A record full of text that would steer a terminal, a browser or a spreadsheet: it is shown as text."""

from __future__ import annotations

import csv
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.markdown import to_markdown
from analysis.render import render_summary
from analysis.report import write_report
from analysis.summary import write_summary
from search.console import SafeConsole
from search.record import SearchState, read_events
from search.redact import redact
from search.view import make_view
from tests.analysis.test_report_page import BROWSER, browse
from tests.hostile import HOSTILE, MARK, PIECES, hostile_events
from tests.records import make_config, write_record
from trainables.text import printable

STEERING = ("\x1b[31m", "\x1b]", "\x07", "\x9b", "\x00", "\x08", "\u202e", "\u2066", "\u200f", "\u2028")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_record(folder, hostile_events())
    return folder


@pytest.fixture(scope="module")
def state(record: Path) -> SearchState:
    return SearchState.from_events(read_events(record))


@pytest.fixture(scope="module")
def report(record: Path, state: SearchState) -> Path:
    return write_report(state, record, redact=redact).parent


class Elements(HTMLParser):
    """What a browser makes elements and attributes of, and the text beside them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.marks: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element that a text would have made."""
        names = [tag, *(name for name, _ in attrs), *(value or "" for name, value in attrs if name == "id")]
        self.marks += [name for name in names if MARK in name]

    def handle_data(self, data: str) -> None:
        """Gathers text."""
        self.text += data


@pytest.mark.parametrize("live", [False, True])
def test_a_terminal_obeys_none_of_it(record: Path, live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=live, width=120, height=40, color_system="standard")
    view = make_view(console, make_config(12), 12, live=live)
    view.start()
    for event in read_events(record):
        view(event)
    view.note(HOSTILE)
    view.close()
    summary = write_summary(SearchState.from_events(read_events(record)), record)
    render_summary(console, summary, ui=HOSTILE, command=HOSTILE)
    shown = file.getvalue()
    assert not [steer for steer in STEERING if steer in shown and not (live and steer == "\x1b[31m")]
    assert "\\x1b[31m" in shown
    assert "[bold red]" in shown, "brackets are no markup"
    assert "{{ 7 * 191 }}" in shown


def test_the_page_has_it_as_text(report: Path) -> None:
    page = (report / "report.html").read_text()
    elements = Elements(page)
    assert elements.marks == []
    assert printable(PIECES["template"]) in elements.text
    assert "1337" not in elements.text
    assert not [steer for steer in STEERING if steer in page]
    cards = json.loads((report / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}


@pytest.mark.integration
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_obeys_none_of_it(report: Path, tmp_path: Path) -> None:
    shutil.copytree(report, tmp_path / "report")
    drawn = browse(tmp_path, "--dump-dom", (tmp_path / "report/report.html").as_uri(), budget=1000)
    assert Elements(drawn).marks == []


def test_a_spreadsheet_computes_none_of_it(report: Path) -> None:
    with (report / "trials.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert len(rows) == 12
    words = [row[header.index("param.word")] for row in rows]
    assert f"'{PIECES['formula']}" in words
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "@", "+", "\t", "\r")]


def test_the_summary_keeps_it_as_a_value_and_its_page_as_text(record: Path, state: SearchState) -> None:
    summary = write_summary(state, record)
    written = (record / "summary.json").read_text()
    assert json.loads(written)["search"]["name"] == HOSTILE
    assert not [steer for steer in STEERING if steer in written]
    page = to_markdown(summary)
    assert not [steer for steer in STEERING if steer in page]
    assert "\n# heading" not in page
    assert "<script" not in page.replace("\\<", "")
    assert "![i](" not in page
