"""Charts as data: drawn twice, interactively in the page and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from analysis.report.look import INK, Look

Value: TypeAlias = float | str | None
Scale: TypeAlias = Literal["linear", "log", "category"]


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        title: What is shown, with its unit where it has one.
        scale: Of a category axis, the values are words, shown in the order in which they come.
        low: Where it begins; None leaves it to the data.
        high: Where it ends, likewise.
        share: Whether values are shares, written as percentages.
        reverse: Whether it runs downwards, as lists do.
        categories: Words of a category axis in their order; those that occur beside these follow.
    """

    title: str
    scale: Scale = "linear"
    low: float | None = None
    high: float | None = None
    share: bool = False
    reverse: bool = False
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """Values that are drawn alike and share an entry of the legend.

    Attributes:
        x: Along the horizontal axis.
        y: Along the vertical one; None breaks a line.
        kind: "points", "line", "both" (points joined by a line), "steps" or "bars".
        low: Lower end of the interval of each y.
        high: Upper end likewise.
        x_low: Lower end of the interval of each x.
        x_high: Upper end likewise.
        text: What each is, shown where the pointer rests.
        base: Of bars: where each begins; None is 0, or the end of the bars below where they are stacked.
        quiet: Whether it is left out of the legend.
    """

    name: str
    x: Sequence[Value]
    y: Sequence[Value]
    look: Look = INK
    kind: Literal["points", "line", "both", "steps", "bars"] = "points"
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    x_low: Sequence[float | None] | None = None
    x_high: Sequence[float | None] | None = None
    text: Sequence[str] | None = None
    base: Sequence[float] | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Rule:
    """A straight line across the chart, such as the base model's value or a floor.

    Attributes:
        value: Where it crosses the axis `of`.
        of: The axis that it is a value of.
    """

    name: str
    value: float
    of: Literal["x", "y"] = "y"
    look: Look = INK


@dataclass(frozen=True)
class XYChart:
    """Points, lines and bars over two axes.

    Attributes:
        sideways: Whether bars lie; their values are then along x and their names along y.
        stacked: Whether bars of the same place stand on each other.
        height: Relative to the usual height.
    """

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()
    sideways: bool = False
    stacked: bool = False
    title: str = ""
    height: float = 1.0


@dataclass(frozen=True)
class HeatmapChart:
    """Cells coloured by a value.

    Attributes:
        x: Labels of the columns.
        y: Labels of the rows, the lowest first.
        z: Values by row and column; None is an empty cell.
        text: What is written into each cell.
        less_is_better: Turns the colours round, so that good ones are bright either way.
    """

    x_title: str
    y_title: str
    z_title: str
    x: tuple[str, ...]
    y: tuple[str, ...]
    z: tuple[tuple[float | None, ...], ...]
    text: tuple[tuple[str, ...], ...]
    less_is_better: bool = False
    title: str = ""


@dataclass(frozen=True)
class Dimension:
    """An upright axis of parallel coordinates.

    Attributes:
        values: One per line, as places along the axis.
        ticks: Places with a label.
        labels: Of those places.
    """

    title: str
    values: tuple[float, ...]
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ParallelChart:
    """A line per trial through upright axes.

    Attributes:
        colour: Value that colours each line.
        colour_title: What that value is.
    """

    dimensions: tuple[Dimension, ...]
    colour: tuple[float, ...]
    colour_title: str
    title: str = ""


Chart: TypeAlias = XYChart | HeatmapChart | ParallelChart

_MOST_COLUMNS = 5


@dataclass(frozen=True)
class Table:
    """Numbers behind a plot, or text side by side.

    Attributes:
        columns: Headers.
        rows: Cells as they are shown.
        caption: What the table holds.
        wide: Whether cells are text that wraps, stacked where the page is narrow.
        open: Whether it is shown without being asked for.
        printed: Whether it is on paper too where it is not open.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    wide: bool = False
    open: bool = False
    printed: bool = False


@dataclass(frozen=True)
class Menu:
    """A choice among variants of a plot."""

    label: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """A plot with a name and what it shows in words.

    Attributes:
        name: Unique in its card; names the picture's file too.
        alt: What the plot shows, for those who cannot see it.
        charts: Drawn side by side in the picture; the page shows the first, or what the menus say.
        menus: Choices of the reader.
        variants: The chart for each choice of options; keys hold one index per menu, such as (0, 2).
        table: The numbers behind it.
        hint: What a reader can do with it in the page, and not on paper.
    """

    name: str
    title: str
    alt: str
    charts: tuple[Chart, ...]
    menus: tuple[Menu, ...] = ()
    variants: Mapping[tuple[int, ...], Chart] = field(default_factory=dict)
    table: Table | None = None
    hint: str = ""

    @property
    def tall(self) -> bool:
        """Whether the picture needs most of a page on paper."""
        heights = [chart.height for chart in self.charts if isinstance(chart, XYChart)]
        rows = math.ceil(len(self.charts) / per_row(self.charts))
        return rows * max(heights, default=1.0) > 1.3


def per_row(charts: Sequence[Chart]) -> int:
    """How many charts stand side by side in a picture: maps with many columns need its whole width."""
    wide = any(isinstance(chart, HeatmapChart) and len(chart.x) > _MOST_COLUMNS for chart in charts)
    return 1 if wide else min(2, len(charts))
