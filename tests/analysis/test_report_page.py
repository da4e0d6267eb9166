"""The page as it is looked at: on paper, on a phone, and by those who see colours badly."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from analysis.report import write_report
from analysis.report.build import Made, make
from analysis.report.card import CARDS, Findings
from analysis.report.cards import cards
from analysis.report.chart import HeatmapChart, Table
from analysis.report.context import Context
from analysis.report.interactive import figure
from analysis.report.look import SCALE, ink
from analysis.report.page import page
from tests.analysis.report_records import state_of

TEMPLATES = Path(__file__).parents[2] / "analysis/report/templates"
STYLE = (TEMPLATES / "report.css").read_text()
READABLE = 4.5
"""Least contrast of text by WCAG 2, level AA."""
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = 390


def luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def rgb(code: str) -> tuple[float, ...]:
    return tuple(int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(theme: str) -> None:
    dark = STYLE.index("prefers-color-scheme: dark")
    part = STYLE[dark:] if theme == "dark" else STYLE[:dark]
    colours = {name: rgb(code) for name, code in re.findall(r"--(\w+): (#[0-9a-f]{6});", part)}
    assert set(colours) == {"paper", "card", "ink", "quiet", "line", "link", "wrong"}
    for text in ("ink", "quiet", "link", "wrong"):
        for behind in ("paper", "card"):
            assert contrast(colours[text], colours[behind]) >= READABLE, (text, behind)


def test_numbers_in_cells_stand_out_on_every_colour() -> None:
    colours = matplotlib.colormaps[SCALE]
    for step in range(256):
        behind = colours(step)[:3]
        assert contrast(rgb(ink(*behind)), behind) >= READABLE


def test_cells_of_a_map_have_their_own_ink_in_the_page() -> None:
    values = ((0.0, 1.0), (0.4, None))
    texts = (("low", "high"), ("middle", ""))
    for less in (False, True):
        chart = HeatmapChart("x", "y", "z", ("a", "b"), ("c", "d"), values, texts, less)
        heatmap, *written = figure(chart)["data"]
        assert "texttemplate" not in heatmap
        inks = {text: one["textfont"]["color"] for one in written for text in one["text"]}
        assert inks["low"] == ("#000000" if less else "#ffffff")
        assert inks["high"] == ("#ffffff" if less else "#000000")
        assert len(inks) == 3


def test_a_table_of_many_columns_breaks_between_values_and_stays_in_its_card() -> None:
    cells = ("rate_bad_off", "0.25 [0.18, 0.33], n=96", "<b>", "", "", "-0.1")
    findings = Findings({}, tables=(Table(cells, (cells,), "Six columns", open=True),))
    text = page("A search", "", [Made(CARDS["verdict"], "shown", findings=findings)], {})
    (table,) = re.findall(r'<table class="many".*?</table>', text, re.DOTALL)
    body = table[table.index("<tbody>") :]
    shown = [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<td.*?</td>", body)]
    assert tuple(shown) == cells
    assert '<span class="whole">[0.18, 0.33]</span>, n=96' in body
    assert "rate_<wbr>bad_<wbr>off" in body


def test_every_card_says_how_to_read_it() -> None:
    for one in cards():
        assert one.read.endswith("."), one.name
        assert 20 < len(one.read) < 250, one.name


def on_paper() -> str:
    return STYLE[STYLE.index("@media print") :]


def test_paper_has_pictures_and_what_proves_the_verdict(tmp_path: Path) -> None:
    paper = on_paper()
    assert re.search(r"\.drawn \.live, \.live \{ display: none; \}", paper)
    assert re.search(r"\.drawn \.still, \.still \{ display: block;", paper)
    assert "details:not([open]):not(.printed) { display: none; }" in paper
    assert "details.printed::details-content" in paper
    made = make([CARDS["vocabulary"]], Context(state_of("single", tmp_path), tmp_path))
    text = page("A search", "", made, {})
    assert '<details class="printed"><summary>Metrics that were measured</summary>' in text
    assert "beforeprint" in text


def test_what_is_for_the_page_alone_is_not_on_paper(tmp_path: Path) -> None:
    made = make([CARDS["parallel"]], Context(state_of("whole", tmp_path), tmp_path))
    text = page("A search", "", made, {"Made": "today", "Files": "many"}, ["Files"])
    assert '<p class="hint">Drag along' in text
    assert '<p class="aside">Files: many</p>' in text
    assert "<p>Made: today</p>" in text
    assert ".hint, .interactive .hint," in on_paper()
    assert ".aside { display: none; }" in on_paper()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_report(state_of("whole", folder), folder)


def browse(folder: Path, *words: str, budget: int = 9000) -> str:
    """What the browser prints once so many milliseconds have passed by the page's own clock."""
    assert BROWSER is not None
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    done = subprocess.run(
        [BROWSER, *quiet, f"--user-data-dir={folder / 'profile'}", f"--virtual-time-budget={budget}", *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.integration
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_every_picture_is_on_paper(report: Path, tmp_path: Path) -> None:
    # In a window of the page's own height every plot is drawn in its picture's place before it is printed.
    browse(tmp_path, "--window-size=800,30000", f"--print-to-pdf={tmp_path / 'page.pdf'}", report.as_uri())
    content = (tmp_path / "page.pdf").read_bytes()
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", content))
    pictures = len(re.findall(rb"/Subtype\s*/Image\b", content))
    drawn = report.read_text().count('<img class="still')
    assert pictures >= drawn > 10
    # Two plots and their words fit a page.
    assert pages <= drawn


@pytest.mark.integration
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_phone_does_not_scroll_sideways(report: Path, tmp_path: Path) -> None:
    probe = """<script>
    function words(cell) {
        const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), ranges = [];
        while (walker.nextNode())
            for (const word of walker.currentNode.data.matchAll(/[\\p{L}\\d.]+/gu)) {
                const range = document.createRange();
                range.setStart(walker.currentNode, word.index);
                range.setEnd(walker.currentNode, word.index + word[0].length);
                ranges.push(range);
            }
        return ranges;
    }
    setInterval(() => parent.postMessage(JSON.stringify({
        width: document.documentElement.scrollWidth,
        out: [...document.querySelectorAll("p, li, h1, h2, h3, summary, select, img, .live svg.main-svg")]
            .filter((one) => !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth + 1)
            .map((one) => one.outerHTML.slice(0, 80)),
        broken: [...document.querySelectorAll("table:not(.wide) :is(td, th)")].flatMap(words)
            .filter((word) => {
                const lines = [...word.getClientRects()].map((line) => Math.round(line.top));
                return new Set(lines).size > 1;
            }).map(String),
        drawn: document.querySelectorAll(".drawn").length,
        silent: [...document.querySelectorAll("img, .live")]
            .filter((one) => !(one.alt || one.getAttribute("aria-label"))).length,
    }), "*"), 1000)</script>"""
    (tmp_path / "probed.html").write_text(report.read_text().replace("</body>", f"{probe}</body>"))
    frame = f'<iframe width="{PHONE}" height="30000" src="probed.html" style="border: 0"></iframe>'
    take = "<pre></pre><script>onmessage = (e) => document.querySelector('pre').textContent = e.data</script>"
    (tmp_path / "frame.html").write_text(frame + take)
    # A window is never as narrow as a phone: a frame in it is.
    seen: dict[str, Any] = {"drawn": 0}
    for budget in (9_000, 30_000, 100_000):  # by the page's clock, which a busy machine does not hold up
        if not seen["drawn"]:
            words = ("--window-size=800,30000", "--dump-dom", (tmp_path / "frame.html").as_uri())
            (found,) = re.findall(r"<pre>(.*)</pre>", browse(tmp_path, *words, budget=budget))
            seen = json.loads(found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert seen["drawn"] > 10
    assert seen["width"] == PHONE
    assert seen["out"] == []
    assert seen["broken"] == [], "words in cells are broken between letters"
    assert seen["silent"] == 0
