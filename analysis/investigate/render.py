"""An investigation as a Markdown page, and as text for a terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from analysis.investigate.results import Check, Investigation, Level, Table
from analysis.investigate.words import percent
from search import wording

_SPECIAL = "\\|*<`["


def to_markdown(investigation: Investigation) -> str:
    """The page: verdict, reasons, levels with their grades, and the checks."""
    return "\n".join(_lines(investigation)) + "\n"


def to_text(investigation: Investigation) -> str:
    """The same without what keeps letters from being read as Markdown."""
    return re.sub(rf"\\([{re.escape(_SPECIAL)}])", r"\1", to_markdown(investigation))


def _lines(investigation: Investigation) -> Iterator[str]:
    yield f"# Is the loss of capability real? {investigation.verdict.upper()}"
    yield ""
    of = f"{'; '.join(investigation.studies)}; parameter {investigation.parameter}"
    yield escape(f"{investigation.headline} ({of})")
    yield ""
    yield from (f"- {escape(reason)}" for reason in investigation.reasons)
    yield from (f"- {escape(text)}" for text in investigation.needed)
    yield ""
    yield f"Where the loss is best: {escape(investigation.winner)}"
    yield ""
    yield f"Knowledge or format: {investigation.finding.lost}. {escape(investigation.finding.sentence)}"
    yield ""
    yield f"Recommended: {escape(investigation.recommended.sentence)}"
    yield ""
    yield f"## Change from the base model by {escape(investigation.parameter)}"
    yield ""
    yield from _levels(investigation.levels)
    yield "## Checks"
    yield ""
    for check in investigation.checks:
        yield from _check(check)
    yield from (f"Note: {escape(note)}" for note in investigation.notes)


def _levels(levels: Sequence[Level]) -> Iterator[str]:
    yield "| level | trials | mean loss | mean capability | retention | grade |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for level in levels:
        cells = [
            escape(level.label),
            str(level.cases),
            _cell(level.loss),
            percent(level.capability) if not math.isnan(level.capability) else "-",
            _retention(level),
            str(level.grade) if level.grade else "-",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _retention(level: Level) -> str:
    if level.retention is None:
        return "-"
    if level.low is None or level.high is None:
        return f"{level.retention:.2f}"
    return f"{level.retention:.2f} \\[{level.low:.2f}, {level.high:.2f}]"


def _check(check: Check) -> Iterator[str]:
    yield f"**({check.key}) {escape(check.title)}: {check.outcome}.** {escape(check.sentence)}"
    yield ""
    yield from (f"- {escape(text)}" for text in check.details)
    if check.details:
        yield ""
    for table in check.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"| {escape(table.title)} | {' | '.join(map(escape, table.columns))} |"
    yield f"| --- |{' ---: |' * len(table.columns)}"
    for label, cells in zip(table.rows, table.cells, strict=True):
        yield f"| {escape(label)} | {' | '.join(_cell(cell) for cell in cells)} |"
    yield ""


def _cell(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else wording.number(value)


def escape(text: str) -> str:
    """Keeps what a model, a file or a user called something from being read as Markdown."""
    for letter in _SPECIAL:
        text = text.replace(letter, "\\" + letter)
    return text.replace("\n", " ")
