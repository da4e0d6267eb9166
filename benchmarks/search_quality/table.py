"""Prints Markdown tables, and draws a figure, from the last lines of runs of `benchmarks.search_quality`.

python -m benchmarks.search_quality.table LOG [LOG ...] [--figure OUT.png]

Runs of one workload may be spread over logs, as where a library needs an environment of its own; the
methods are compared over all of them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.search_quality.comparison import Run, standings

# Distinguishable for colour-blind people (Okabe and Ito, 2008), ours first.
_COLOURS = ("#D55E00", "#E69F00", "#000000", "#999999", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#F0E442")
_STYLES = ("-", "--", ":", "-.")


def combined(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One result of several, each run once.

    Raises:
        ValueError: Their budgets differ.
    """
    budgets = [sorted({row["budget"] for row in result["standings"]}) for result in results]
    if any(one != budgets[0] for one in budgets):
        raise ValueError(f"the logs have other budgets: {budgets}")
    runs: dict[tuple[str, str, int], Run] = {}
    for result in results:
        for row in result["runs"]:
            run = Run(**{**row, "shares": tuple(row["shares"])})
            runs.setdefault((run.workload, run.method, run.seed), run)
    seconds: dict[str, list[float]] = {}
    for run in runs.values():
        seconds.setdefault(f"{run.workload} {run.method}", []).append(run.seconds)
    return {
        "standings": [vars(one) for one in standings(list(runs.values()), budgets[0])],
        "seconds": {key: sum(values) / len(values) for key, values in seconds.items()},
    }


def tables(result: dict[str, Any]) -> Iterator[str]:
    """A table per workload: mean share and standard error of each method at each budget, best first."""
    rows = result["standings"]
    budgets = sorted({row["budget"] for row in rows})
    for workload in dict.fromkeys(row["workload"] for row in rows):
        own = [row for row in rows if row["workload"] == workload]
        last = [row for row in own if row["budget"] == budgets[-1]]
        yield f"### `{workload}`\n"
        head = " | ".join(f"{budget:g} trainings" for budget in budgets)
        yield f"| method | {head} | CPU s a search |\n|---|{'---:|' * (len(budgets) + 1)}"
        for method in [row["method"] for row in last]:
            cells = [_cell(row) for budget in budgets for row in own if _is(row, method, budget)]
            seconds = result["seconds"][f"{workload} {method}"]
            yield f"| {method} | {' | '.join(cells)} | {seconds:.1f} |"
        yield ""


def _is(row: dict[str, Any], method: str, budget: float) -> bool:
    return bool(row["method"] == method and row["budget"] == budget)


def _cell(row: dict[str, Any]) -> str:
    text = f"{row['mean']:.3f} ± {row['error']:.3f}"
    text = f"**{text}**" if row["best"] else text
    return f"{text} ↓" if row["p_random"] < 0.05 else text


def figure(result: dict[str, Any], out: Path) -> None:
    """One panel per workload: mean share over budget, with standard errors."""
    mpl.use("Agg")
    panels = list(dict.fromkeys(row["workload"] for row in result["standings"]))
    rows_of_panels = math.ceil(len(panels) / 3)
    columns = math.ceil(len(panels) / rows_of_panels)
    drawn, axes = plt.subplots(
        rows_of_panels,
        columns,
        figsize=(max(8.0, 5.0 * columns), 1.2 + 4.0 * rows_of_panels),
        squeeze=False,
        layout="constrained",
    )
    methods = list(dict.fromkeys(row["method"] for row in result["standings"]))
    methods.sort(key=lambda name: (not name.startswith("tightrope"), name))
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, workload in zip(axes.flat, panels, strict=False):
        for index, method in enumerate(methods):
            rows = [
                row for row in result["standings"] if row["workload"] == workload and row["method"] == method
            ]
            rows.sort(key=lambda row: float(row["budget"]))
            if rows:
                axis.errorbar(
                    [row["budget"] for row in rows],
                    [row["mean"] for row in rows],
                    [row["error"] for row in rows],
                    label=method,
                    color=_COLOURS[index % len(_COLOURS)],
                    linestyle=_STYLES[index % len(_STYLES)],
                    linewidth=2.4 if method.startswith("tightrope") else 1.2,
                    capsize=2,
                )
        axis.set_title(workload)
        axis.set_xlabel("budget in full trainings")
        axis.grid(alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_ylabel("share of the best hypervolume")
    handles = {
        label: handle
        for axis in axes.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    drawn.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    drawn.savefig(out, dpi=110)


def main() -> None:
    """Prints the tables of all logs, and draws the figure where it is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", type=Path, nargs="+", metavar="LOG")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    result = combined([json.loads(log.read_text().splitlines()[-1]) for log in options.logs])
    print("\n".join(tables(result)))
    if options.figure:
        figure(result, options.figure)


if __name__ == "__main__":
    main()
