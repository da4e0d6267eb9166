"""Charts as Plotly figures: plain data, which the page hands to plotly.js."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib

from analysis.report.chart import Axis, Chart, HeatmapChart, ParallelChart, Rule, Series, XYChart
from analysis.report.look import SCALE, ink, log_ticks
from analysis.report.text import short

_HEIGHT = 400
# What is around the plot, and how far below it the legend stands: under the title of the axis.
_FRAME, _BELOW = 110, 70
_DASH = {"solid": "solid", "dash": "dash", "dot": "dot", "dashdot": "dashdot"}
_SCALE = {"viridis": "Viridis"}[SCALE]


def figure(chart: Chart) -> dict[str, Any]:
    """The figure's `data` and `layout`; colours of text and grid are the page's business."""
    match chart:
        case XYChart():
            return _xy(chart)
        case HeatmapChart():
            return _heatmap(chart)
        case ParallelChart():
            return _parallel(chart)


def _layout(chart: Chart, height: float = 1.0) -> dict[str, Any]:
    pixels = round(_HEIGHT * height)
    return {
        "height": pixels,
        "margin": {"l": 60, "r": 16, "t": 36 if chart.title else 16, "b": 56},
        "title": {"text": _safe(chart.title), "font": {"size": 14}, "x": 0.02, "xanchor": "left"},
        "legend": {
            "orientation": "h",
            "y": -_BELOW / (pixels - _FRAME),
            "yanchor": "top",
            "x": 0,
            "traceorder": "normal",
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8a8a8a", "activecolor": "#4a4a4a"},
        "hovermode": "closest",
    }


def _safe(text: str) -> str:
    """Plotly reads a few HTML tags in text: none is meant."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _axis(axis: Axis, values: Sequence[Any]) -> dict[str, Any]:
    layout: dict[str, Any] = {"title": {"text": _safe(axis.title)}, "automargin": True}
    if axis.scale == "category":
        layout |= {"type": "category", "categoryorder": "array"}
        layout["categoryarray"] = [
            _safe(str(value)) for value in dict.fromkeys([*axis.categories, *values]) if value is not None
        ]
    else:
        layout["type"] = axis.scale
        if axis.scale == "log" and (ticks := log_ticks(values)) is not None:
            layout["tickvals"], layout["ticktext"] = ticks
    if axis.share:
        layout["tickformat"] = ".0%"
    if axis.low is not None and axis.high is not None and axis.scale == "linear":
        layout["range"] = [axis.high, axis.low] if axis.reverse else [axis.low, axis.high]
    elif axis.reverse:
        layout["autorange"] = "reversed"
    elif axis.low == 0:
        layout["rangemode"] = "tozero"
    return layout


def _xy(chart: XYChart) -> dict[str, Any]:
    layout = _layout(chart, chart.height)
    xs = [value for series in chart.series for value in series.x]
    ys = [value for series in chart.series for value in series.y]
    layout["xaxis"], layout["yaxis"] = _axis(chart.x, xs), _axis(chart.y, ys)
    if any(series.kind == "bars" for series in chart.series):
        layout["barmode"] = "stack" if chart.stacked else "overlay" if chart.sideways else "group"
    layout["showlegend"] = len([series for series in chart.series if not series.quiet]) > 1 or bool(
        chart.rules
    )
    layout["shapes"] = [_shape(rule) for rule in chart.rules]
    data = [_trace(series, chart) for series in chart.series]
    data += [_rule_entry(rule) for rule in chart.rules]
    return {"data": data, "layout": layout}


def _shape(rule: Rule) -> dict[str, Any]:
    across = (
        {"xref": "paper", "x0": 0, "x1": 1, "y0": rule.value, "y1": rule.value}
        if rule.of == "y"
        else {"yref": "paper", "y0": 0, "y1": 1, "x0": rule.value, "x1": rule.value}
    )
    line = {"color": rule.look.colour, "dash": _DASH[rule.look.dash], "width": rule.look.width}
    return {"type": "line", "layer": "below", "line": line, **across}


def _rule_entry(rule: Rule) -> dict[str, Any]:
    """A shape has no entry in the legend: an empty line gives it one."""
    line = {"color": rule.look.colour, "dash": _DASH[rule.look.dash]}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [None],
        "y": [None],
        "name": _safe(rule.name),
        "line": line,
    }


def _values(values: Sequence[Any]) -> list[Any]:
    return [_safe(value) if isinstance(value, str) else short(value) for value in values]


def _error(
    values: Sequence[Any],
    low: Sequence[float | None] | None,
    high: Sequence[float | None] | None,
    colour: str,
) -> dict[str, Any] | None:
    if low is None or high is None:
        return None
    above = [
        None if h is None or v is None else short(max(0.0, h - v)) for v, h in zip(values, high, strict=True)
    ]
    below = [
        None if b is None or v is None else short(max(0.0, v - b)) for v, b in zip(values, low, strict=True)
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "thickness": 1.2,
        "width": 3,
        "color": colour,
    }


def _trace(series: Series, chart: XYChart) -> dict[str, Any]:
    look = series.look
    trace: dict[str, Any] = {
        "name": _safe(series.name),
        "x": _values(series.x),
        "y": _values(series.y),
        "showlegend": not series.quiet,
        "opacity": look.opacity,
    }
    if series.text is not None:
        trace |= {"text": [_safe(text) for text in series.text], "hoverinfo": "text"}
    if series.kind == "bars":
        trace |= {"type": "bar", "textposition": "none", "orientation": "h" if chart.sideways else "v"}
        trace["marker"] = {
            "color": look.colour,
            "pattern": {
                "shape": look.pattern,
                "fillmode": "overlay",
                "fgcolor": "#ffffff",
                "size": 7,
                "solidity": 0.25,
            },
        }
        if series.base is not None:
            trace["base"] = _values(series.base)
    else:
        mode = {"points": "markers", "line": "lines", "both": "lines+markers", "steps": "lines"}[series.kind]
        trace |= {"type": "scatter", "mode": mode}
        trace["line"] = {"color": look.colour, "dash": _DASH[look.dash], "width": look.width}
        if series.kind == "steps":
            trace["line"]["shape"] = "hv"
        symbol = look.marker + ("-open" if look.hollow else "")
        trace["marker"] = {"color": look.colour, "symbol": symbol, "size": look.size}
    error_of = "x" if chart.sideways else "y"
    dark = "#777777" if series.kind == "bars" else look.colour
    if (error := _error(trace[error_of], series.low, series.high, dark)) is not None:
        trace[f"error_{error_of}"] = error
    if (error := _error(trace["x"], series.x_low, series.x_high, look.colour)) is not None:
        trace["error_x"] = error
    return trace


def _heatmap(chart: HeatmapChart) -> dict[str, Any]:
    layout = _layout(chart)
    for axis, title, labels in (("xaxis", chart.x_title, chart.x), ("yaxis", chart.y_title, chart.y)):
        layout[axis] = _axis(Axis(title, "category"), labels) | {"showgrid": False}
    data = {
        "type": "heatmap",
        "x": [_safe(label) for label in chart.x],
        "y": [_safe(label) for label in chart.y],
        "z": [[short(value) for value in row] for row in chart.z],
        "text": [[_safe(text) for text in row] for row in chart.text],
        "hovertemplate": "%{x}, %{y}: %{text}<extra></extra>",
        "colorscale": _SCALE,
        "reversescale": chart.less_is_better,
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"title": {"text": _safe(chart.z_title), "side": "right"}, "thickness": 12},
    }
    return {"data": [data, *_cell_texts(chart)], "layout": layout | {"showlegend": False}}


def _cell_texts(chart: HeatmapChart) -> list[dict[str, Any]]:
    """What is written into the cells, in black and in white: Plotly's own greys are hard to read on some."""
    known = [v for row in chart.z for v in row if v is not None and math.isfinite(v)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    colours = matplotlib.colormaps[SCALE + ("_r" if chart.less_is_better else "")]
    cells: dict[str, tuple[list[str], list[str], list[str]]] = {}
    for y, values, texts in zip(chart.y, chart.z, chart.text, strict=True):
        for x, value, text in zip(chart.x, values, texts, strict=True):
            if value is not None and math.isfinite(value) and text:
                # Plotly colours cells that are all alike as the middle of the scale.
                place = (value - low) / (high - low) if high > low else 0.5
                for list_, entry in zip(
                    cells.setdefault(ink(*colours(place)[:3]), ([], [], [])), (x, y, text), strict=True
                ):
                    list_.append(_safe(entry))
    return [
        {
            "type": "scatter",
            "mode": "text",
            "x": x,
            "y": y,
            "text": text,
            "textfont": {"color": colour},
            "hoverinfo": "skip",
        }
        for colour, (x, y, text) in cells.items()
    ]


def _parallel(chart: ParallelChart) -> dict[str, Any]:
    layout = _layout(chart)
    layout["margin"] = {"l": 56, "r": 40, "t": 60, "b": 24}
    dimensions = [
        {
            "label": _safe(dimension.title),
            "values": _values(dimension.values),
            "tickvals": _values(dimension.ticks),
            "ticktext": [_safe(label) for label in dimension.labels],
        }
        for dimension in chart.dimensions
    ]
    line = {
        "color": _values(chart.colour),
        "colorscale": _SCALE,
        "showscale": True,
        "colorbar": {"title": {"text": _safe(chart.colour_title), "side": "right"}, "thickness": 12},
    }
    return {"data": [{"type": "parcoords", "dimensions": dimensions, "line": line}], "layout": layout}
