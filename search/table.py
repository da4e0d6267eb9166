"""Tables of trials beside the base model that fit the terminal: columns are chosen by width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rich import box
from rich.table import Table
from rich.text import Text

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.constraints import bound_of
from search.record.events import Params
from trainables.interval import Interval

Kind: TypeAlias = Literal["base", "recommended", "broken", "plain", "mean"]

LEGEND = {"recommended": "* recommended", "broken": "! breaks a floor or ceiling"}
_MARKS = {"recommended": " *", "broken": " !"}
_STYLES = {"base": "dim", "recommended": "bold green", "broken": "yellow", "plain": "", "mean": "cyan"}
_LONGEST = 22


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        label: "base", or the number of a trial.
        progress: Status, or how far the trial is.
        params: Parameters to show, as sampled.
    """

    label: str
    progress: str
    params: Params
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    kind: Kind = "plain"


@dataclass(frozen=True)
class Column:
    """A column with its cells.

    Attributes:
        header: One or two lines.
        rank: Where there is no room for all, columns with a lower rank are kept first.
    """

    name: str
    header: tuple[str, ...]
    cells: tuple[str, ...]
    rank: int
    justify: Literal["left", "right"] = "right"

    @property
    def width(self) -> int:
        """Characters, without padding."""
        return max(len(line) for text in (*self.header, *self.cells) for line in text.split("\n"))

    def narrowed(self) -> Column:
        """With the interval below its value, and a long header in two lines."""
        cells = tuple(re.sub(r"\s+(?=\[)", "\n", cell) for cell in self.cells)
        lines = [line for cell in cells for line in cell.split("\n")]
        header = tuple(part for text in self.header for part in _header(text, lines))
        return replace(self, header=header, cells=cells)


def make_columns(
    rows: Sequence[Row],
    objectives: Sequence[ObjectiveConfig],
    extra: Sequence[str],
    progress: str = "status",
    keep_progress: bool = False,
) -> list[Column]:
    """All columns, in the order in which they are shown.

    Args:
        rows: At least one.
        objectives: Their metrics are always shown, with intervals.
        extra: Further metrics, by decreasing importance; those that no row has are left out.
        progress: Header of the column of `Row.progress`.
        keep_progress: Whether that column is always kept.
    """
    labels = tuple(row.label + _MARKS.get(row.kind, "") for row in rows)
    names = list(dict.fromkeys(name for row in rows for name in row.params))
    shown = {objective.metric for objective in objectives}
    extra = [name for name in extra if name not in shown and any(name in row.metrics for row in rows)]
    # Loss and capability on held-out data come before the status, and that before single skills.
    status_rank = 0 if keep_progress else len(names) + 3
    return [
        Column("trial", ("trial",), labels, 0, "left"),
        Column("status", (progress,), tuple(row.progress for row in rows), status_rank, "left"),
        *(_param_column(name, rows, rank) for rank, name in enumerate(names, start=1)),
        *(_objective_column(objective, rows) for objective in objectives),
        *(
            _metric_column(name, rows, len(names) + 1 + index + (index > 1))
            for index, name in enumerate(extra)
        ),
    ]


def choose_columns(columns: Sequence[Column], width: int) -> tuple[list[Column], list[str]]:
    """The columns that fit into a width, and the names of those left out.

    Objectives have their intervals below the values where there is no other way to show them all.
    """
    kept = [column for column in columns if column.rank == 0]
    if _total(kept) > width:
        columns = [column.narrowed() if column.rank == 0 else column for column in columns]
        kept = [column for column in columns if column.rank == 0]
    while _total(kept) > width and len(kept) > 1:
        kept.pop()
    for column in sorted((column for column in columns if column.rank), key=lambda column: column.rank):
        if _total([*kept, column]) <= width:
            kept.append(column)
    return [column for column in columns if column in kept], [c.name for c in columns if c not in kept]


def make_table(columns: Sequence[Column], rows: Sequence[Row], title: str = "") -> Table:
    """A table of chosen columns; the base model's row is set off from the others."""
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        table.add_column(
            Text("\n".join(column.header)), justify=column.justify, no_wrap=True, overflow="ellipsis"
        )
    for index, row in enumerate(rows):
        cells = [Text(column.cells[index]) for column in columns]
        last_base = row.kind == "base" and index + 1 < len(rows) and rows[index + 1].kind != "base"
        table.add_row(*cells, style=_STYLES[row.kind], end_section=last_base)
    return table


def legend(rows: Iterable[Row]) -> str:
    """What the marks mean that these rows bear."""
    kinds = {row.kind for row in rows}
    return "   ".join(text for kind, text in LEGEND.items() if kind in kinds)


def _total(columns: Sequence[Column]) -> int:
    # Without edges, columns are parted by a blank of padding and a blank divider.
    return sum(column.width for column in columns) + 2 * (len(columns) - 1)


def _param_column(name: str, rows: Sequence[Row], rank: int) -> Column:
    cells = tuple(_cut(wording.scalar(row.params[name])) if name in row.params else "" for row in rows)
    return Column(name, _header(name, cells), cells, rank)


def _objective_column(objective: ObjectiveConfig, rows: Sequence[Row]) -> Column:
    metric, bound = objective.metric, bound_of(objective)
    intervals = [row.intervals.get(metric) for row in rows]
    # Values stand under each other with equal decimals, whether or not they have an interval.
    decimals = 2 if any(interval and interval.high - interval.low >= 0.02 for interval in intervals) else 3
    brackets = [wording.bracket(interval) if interval else "" for interval in intervals]
    widest = max(map(len, brackets))
    cells = tuple(
        "-"
        if metric not in row.metrics
        else f"{wording.beside(row.metrics[metric], bound, decimals)} {text.rjust(widest)}".rstrip()
        for row, text in zip(rows, brackets, strict=True)
    )
    second = wording.constraint(objective) or objective.direction
    return Column(metric, (metric, second), cells, 0, "left" if widest else "right")


def _metric_column(name: str, rows: Sequence[Row], rank: int) -> Column:
    cells = tuple(wording.number(row.metrics[name]) if name in row.metrics else "-" for row in rows)
    return Column(name, _header(name, cells), cells, rank)


def _header(name: str, cells: Sequence[str]) -> tuple[str, ...]:
    """The name, broken at the underscore nearest to its middle where it is wider than its cells."""
    places = [index for index, letter in enumerate(name) if letter == "_" and 0 < index < len(name) - 1]
    if not places or len(name) <= max([9, *map(len, cells)]):
        return (name,)
    place = min(places, key=lambda index: abs(2 * index - len(name))) + 1
    return name[:place], name[place:]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
