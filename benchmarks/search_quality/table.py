"""Prints Markdown tables, and draws a figure, from the last lines of runs of `benchmarks.search_quality`.

python -m benchmarks.search_quality.table LOG [LOG ...] [--figure OUT.png]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

# Distinguishable for colour-blind people (Okabe and Ito, 2008), ours first.
_COLOURS = ("#D55E00", "#E69F00", "#000000", "#999999", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#F0E442")
_STYLES = ("-", "--", ":", "-.")


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


def figure(results: Sequence[dict[str, Any]], out: Path) -> None:
    """One panel per workload: mean share over budget, with standard errors."""
    mpl.use("Agg")
    panels = [
        (workload, result)
        for result in results
        for workload in dict.fromkeys(row["workload"] for row in result["standings"])
    ]
    drawn, axes = plt.subplots(
        1, len(panels), figsize=(max(8.0, 5.0 * len(panels)), 5.2), squeeze=False, layout="constrained"
    )
    methods = list(dict.fromkeys(row["method"] for _, result in panels for row in result["standings"]))
    methods.sort(key=lambda name: (not name.startswith("tightrope"), name))
    for axis, (workload, result) in zip(axes[0], panels, strict=True):
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
    axes[0][0].set_ylabel("share of the best hypervolume")
    handles = {
        label: handle
        for axis in axes[0]
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
    results = [json.loads(log.read_text().splitlines()[-1]) for log in options.logs]
    for result in results:
        print("\n".join(tables(result)))
    if options.figure:
        figure(results, options.figure)


if __name__ == "__main__":
    main()
