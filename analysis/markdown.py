"""A summary as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.costs import used_lines
from analysis.hypotheses import answer_lines
from analysis.render import (
    artifact_folder,
    artifact_name,
    deciding_command,
    headline,
    rest_of,
    setting,
    summary_rows,
)
from search.config.schema import ObjectiveConfig
from search.table import legend, make_columns
from trainables.text import printable


def to_markdown(summary: Mapping[str, Any]) -> str:
    """The page: the whole table, what to use and why, and the cost."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    best = summary["recommended"]
    yield f"# {escape(headline(summary))}"
    yield ""
    yield escape(setting(summary))
    yield ""
    yield from _table(summary)
    yield f"## Recommended: {'none' if best is None else 'trial ' + str(best['trial'])}"
    yield ""
    for held in summary["constraints"]:
        yield f"- {escape(held['constraint'])}: **{held['word']}**{escape(rest_of(held))}"
    if command := deciding_command(summary):
        yield f"- To decide it: `{command}`"
    if summary["settings"]:
        yield f"- {escape(summary['settings'])}"
    yield f"- {escape(summary['reason'])}"
    yield from (f"- {escape(caveat)}" for caveat in summary["caveats"])
    if folder := artifact_folder(summary):
        name = escape(artifact_name(summary))
        yield f"- {name[:1].upper()}{name[1:]}: `{folder}` in this folder."
    yield from (f"- {label}: {escape(line)}" for label, line in used_lines(summary))
    if answers := summary["hypotheses"]:
        yield ""
        yield "## Hypotheses"
        yield ""
    for answer in answers:
        text = f"{answer['name']} {answer['verdict']}: {answer['claim']}. {' '.join(answer_lines(answer))}"
        yield f"- {escape(text)}"


def _table(summary: Mapping[str, Any]) -> Iterator[str]:
    rows = summary_rows(summary)
    if not rows:
        return
    objectives = [ObjectiveConfig.model_validate(item) for item in summary["objectives"]]
    columns = make_columns(rows, objectives, summary["metrics"])
    yield _cells(" ".join(column.header) if column.rank == 0 else column.name for column in columns)
    yield _cells("---" if column.justify == "left" else "---:" for column in columns)
    for cells in zip(*(column.cells for column in columns), strict=True):
        yield _cells(cells)
    yield ""
    if text := legend(rows):
        yield escape(text)
        yield ""


def _cells(cells: Any) -> str:
    return f"| {' | '.join(escape(' '.join(cell.split())) for cell in cells)} |"


def escape(text: str) -> str:
    """Keeps what a model, a file or a user called something from being read as Markdown."""
    text = printable(" ".join(text.splitlines()))
    for letter in "\\|*<`[&":
        text = text.replace(letter, "\\" + letter)
    return text
