"""Charts as pictures, drawn by Matplotlib without a display."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter
from PIL import Image

from analysis.report.chart import Axis, Chart, HeatmapChart, ParallelChart, Series, XYChart, per_row
from analysis.report.look import SCALE, Look, ink, log_ticks

_DPI = 110
_WIDTH, _HEIGHT = 7.2, 4.0
_COLOURS = 128
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "font.size": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "hatch.color": "#ffffff",
    "path.simplify": True,
}
_MARKS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "x": "X",
    "star": "*",
}
_NARROW, _MARK = 100, 6
"""Width of a chart beside another, and of the mark before a legend's text, in characters of it."""
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
_HATCHES = {"": "", "/": "///", "\\": "\\\\\\", "x": "xx", ".": "...", "-": "---", "+": "++"}


def picture(charts: Sequence[Chart]) -> bytes:
    """The charts as PNG, two in a row or one below the other."""
    columns = per_row(charts)
    rows = math.ceil(len(charts) / columns)
    tall = max(chart.height if isinstance(chart, XYChart) else 1.0 for chart in charts)
    wide = 1.0 if columns == 1 else 0.8 * columns
    with matplotlib.rc_context(_STYLE):
        size = (_WIDTH * wide, _HEIGHT * rows * tall * (1.0 if columns == 1 else 0.9))
        drawing = Figure(figsize=size, dpi=_DPI)
        canvas = FigureCanvasAgg(drawing)
        for index, chart in enumerate(charts):
            _draw(drawing.add_subplot(rows, columns, index + 1), chart, narrow=columns > 1)
        drawing.tight_layout(pad=0.8, w_pad=1.6, h_pad=1.4)
        canvas.draw()  # type: ignore[no-untyped-call]
        return _compressed(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]


def _compressed(pixels: Any) -> bytes:
    """PNG with a palette: a third of the size, and no difference to the eye."""
    image = Image.fromarray(pixels).convert("RGB")
    image = image.quantize(colors=_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=False, dpi=(_DPI, _DPI))
    return file.getvalue()


def _draw(axes: Axes, chart: Chart, narrow: bool) -> None:
    match chart:
        case XYChart():
            _xy(axes, chart, narrow)
        case HeatmapChart():
            _heatmap(axes, chart)
        case ParallelChart():
            _parallel(axes, chart)
    if chart.title:
        axes.set_title(chart.title, fontsize=10, loc="left")


def _places(axis: Axis, values: Sequence[Any]) -> dict[Any, float]:
    """Where each word of a category axis lies."""
    if axis.scale != "category":
        return {}
    names = dict.fromkeys(value for value in [*axis.categories, *values] if value is not None)
    return {name: float(index) for index, name in enumerate(names)}


def _xy(axes: Axes, chart: XYChart, narrow: bool) -> None:
    x_places = _places(chart.x, [value for series in chart.series for value in series.x])
    y_places = _places(chart.y, [value for series in chart.series for value in series.y])
    bars = [series for series in chart.series if series.kind == "bars"]
    totals: dict[Any, float] = {}
    for series in chart.series:
        x, y = _numbers(series.x, x_places), _numbers(series.y, y_places)
        if series.kind == "bars":
            _bars(axes, series, x, y, chart, bars.index(series), len(bars), totals)
        else:
            _points(axes, series, x, y)
    for rule in chart.rules:
        line = axes.axhline if rule.of == "y" else axes.axvline
        look = rule.look
        line(rule.value, color=look.colour, linestyle=_DASHES[look.dash], linewidth=1.2, label=rule.name)
    _set_axis(axes, "x", chart.x, x_places, [value for series in chart.series for value in series.x])
    _set_axis(axes, "y", chart.y, y_places, [value for series in chart.series for value in series.y])
    _legend(axes, chart, _slanted(list(x_places)), narrow)


def _legend(axes: Axes, chart: XYChart, slanted: bool, narrow: bool) -> None:
    """Below the axis and its title; that of a narrow chart must not run into its neighbour's."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) < 2 and not chart.rules:
        return
    columns = min(len(labels), 4 if sum(map(len, labels)) < 70 else 3)
    if narrow:
        columns = min(columns, max(1, _NARROW // (max(map(len, labels)) + _MARK)))
    below = -(0.36 if slanted and chart.x.title else 0.3 if slanted else 0.16) / chart.height
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, below)}
    axes.legend(handles, labels, fontsize=8, frameon=False, ncols=columns, **place)


def _slanted(labels: Sequence[Any]) -> bool:
    return sum(len(str(label)) for label in labels) > 70


def _numbers(values: Sequence[Any], places: dict[Any, float]) -> Any:
    if places:
        return np.array([math.nan if value is None else places[value] for value in values])
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _points(axes: Axes, series: Series, x: Any, y: Any) -> None:
    look = series.look
    # Marks are given in the page's pixels, which are smaller than points.
    style: dict[str, Any] = {"color": look.colour, "alpha": look.opacity}
    marks: dict[str, Any] = {"marker": _MARKS[look.marker], "markersize": look.size * 0.75}
    if look.hollow:
        marks["markerfacecolor"] = "none"
    if series.kind == "points":
        style |= {"linestyle": "none", **marks}
    else:
        style |= {"linestyle": _DASHES[look.dash], "linewidth": look.width}
        style |= marks if series.kind == "both" else {}
        style |= {"drawstyle": "steps-post"} if series.kind == "steps" else {}
    label = "_nolegend_" if series.quiet else series.name
    axes.plot(x, y, label=label, **style)
    across = _lengths(x, series.x_low, series.x_high)
    along = _lengths(y, series.low, series.high)
    if across is not None or along is not None:
        axes.errorbar(x, y, xerr=across, yerr=along, fmt="none", ecolor=look.colour, elinewidth=1, capsize=2)


def _lengths(values: Any, low: Any, high: Any) -> Any:
    if low is None or high is None:
        return None
    ends = [
        np.array([math.nan if end is None else end for end in part], dtype=np.float64) for part in (low, high)
    ]
    lengths = np.stack([values - ends[0], ends[1] - values])
    return np.where(np.isfinite(lengths), np.maximum(lengths, 0.0), 0.0)


def _bars(
    axes: Axes,
    series: Series,
    x: Any,
    y: Any,
    chart: XYChart,
    index: int,
    count: int,
    totals: dict[Any, float],
) -> None:
    look = series.look
    place, length = (y, x) if chart.sideways else (x, y)
    begin = np.zeros(len(place)) if series.base is None else np.asarray(series.base, dtype=np.float64)
    width = 0.8
    if chart.stacked:
        begin = np.array([totals.get(float(at), 0.0) for at in place])
        for at, height in zip(place, length, strict=True):
            totals[float(at)] = totals.get(float(at), 0.0) + (0.0 if math.isnan(height) else float(height))
    elif not chart.sideways and count > 1:
        width = 0.8 / count
        place = place + (index - (count - 1) / 2) * width
    label = "_nolegend_" if series.quiet else series.name
    style: dict[str, Any] = {
        "color": look.colour,
        "hatch": _HATCHES[look.pattern],
        "label": label,
        "edgecolor": "#ffffff",
    }
    error = _lengths(length, series.low, series.high)
    whiskers: dict[str, Any] = {"ecolor": "#444444", "capsize": 2, "error_kw": {"elinewidth": 1}}
    if series.base is not None:
        _spans(axes, place, begin, length, style)
    elif chart.sideways:
        axes.barh(place, length, width, left=begin, xerr=error, linewidth=0.3, **whiskers, **style)
    else:
        axes.bar(place, length, width, bottom=begin, yerr=error, linewidth=0.3, **whiskers, **style)


def _spans(axes: Axes, place: Any, begin: Any, length: Any, style: dict[str, Any]) -> None:
    """Lying bars that begin anywhere, as one object: a timeline has thousands."""
    left, right, low, high = begin, begin + length, place - 0.4, place + 0.4
    corners = np.stack([left, low, right, low, right, high, left, high], axis=1).reshape(-1, 4, 2)
    style = {
        "facecolors": style["color"],
        **{name: value for name, value in style.items() if name != "color"},
    }
    axes.add_collection(PolyCollection(list(corners), linewidths=0.3, **style))
    axes.autoscale_view()


def _set_axis(axes: Axes, which: str, axis: Axis, places: dict[Any, float], values: Sequence[Any]) -> None:
    drawn = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(axis.title)
    limits = axes.set_xlim if which == "x" else axes.set_ylim
    if axis.scale == "log":
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        if (ticks := log_ticks(values)) is not None:
            (axes.set_xticks if which == "x" else axes.set_yticks)(*ticks)
            drawn.set_minor_locator(NullLocator())
    if places:
        labels = [str(name) for name in places]
        if which == "x":
            rotation, align = (25, "right") if _slanted(labels) else (0, "center")
            axes.set_xticks(list(places.values()), labels, rotation=rotation, ha=align, fontsize=8)
        else:
            axes.set_yticks(list(places.values()), labels, fontsize=8)
        drawn.set_minor_locator(NullLocator())
    if axis.share:
        drawn.set_major_formatter(PercentFormatter(1.0))
    if axis.low is not None or axis.high is not None:
        limits(axis.low, axis.high)
    if axis.reverse:
        drawn.set_inverted(True)


def _heatmap(axes: Axes, chart: HeatmapChart) -> None:
    cells = np.array(
        [[math.nan if value is None else value for value in row] for row in chart.z], dtype=np.float64
    )
    scale = SCALE + ("_r" if chart.less_is_better else "")
    image = axes.imshow(cells, cmap=scale, origin="lower", aspect="auto")
    axes.set_xticks(
        range(len(chart.x)), chart.x, rotation=25 if sum(map(len, chart.x)) > 45 else 0, fontsize=8
    )
    axes.set_yticks(range(len(chart.y)), chart.y, fontsize=8)
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(chart.y_title)
    axes.grid(False)
    for row, texts in enumerate(chart.text):
        for column, text in enumerate(texts):
            if text and math.isfinite(cells[row, column]):
                red, green, blue, _ = image.cmap(image.norm(cells[row, column]))
                place: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
                axes.text(column, row, text, color=ink(red, green, blue), **place)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(chart.z_title)


def _parallel(axes: Axes, chart: ParallelChart) -> None:
    columns = []
    for dimension in chart.dimensions:
        values = np.array(
            [math.nan if value is None else value for value in dimension.values], dtype=np.float64
        )
        ends = [*dimension.ticks, *values[np.isfinite(values)]]
        low, high = min(ends), max(ends)
        scale = (high - low) or 1.0
        columns.append((values - low) / scale)
        place = len(columns) - 1
        axes.axvline(place, color=Look().colour, linewidth=0.8)
        for tick, label in zip(dimension.ticks, dimension.labels, strict=True):
            box = {"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            height = (tick - low) / scale
            axes.text(place + 0.02, height, label, fontsize=8, va="center", zorder=5, bbox=box)
    table = np.stack(columns, axis=1)
    lines = np.stack([np.broadcast_to(np.arange(table.shape[1]), table.shape), table], axis=2)
    drawn = LineCollection(list(lines), cmap=SCALE, linewidths=0.9, alpha=0.6)
    drawn.set_array(np.array(chart.colour, dtype=np.float64))
    axes.add_collection(drawn)
    axes.set_xlim(-0.1, table.shape[1] - 0.7)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xticks(range(table.shape[1]), [dimension.title for dimension in chart.dimensions], fontsize=8)
    axes.set_yticks([])
    axes.grid(False)
    axes.figure.colorbar(drawn, ax=axes, pad=0.02).set_label(chart.colour_title)
