"""Wall time of one whole grid of learning rates and ranks on the embedded model, in three ways.

- packed: `python -m search.run` with `workers.slots=auto`: warm worker groups that train trials in packs.
- warm: the same with `workers.slots=1`: warm worker groups, one trial at a time in each.
- stock: nested Ray Tune and Train, a `TorchTrainer` for each trial, as many at once as there are cores.

All train the same configurations to the full budget and measure each once, without tracking. `whole_s`
is from the process's start to its end (for stock from before Ray is imported). `trials_s` is from when
the first trial could be asked for (the base model is measured, or Ray is up) to the last one's end.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.overhead import run_stock, stock_requests
from search.cluster import local_groups
from search.config.load import load_config
from search.record import BaselineMeasured, RungReached, SlotsChosen, TrialFinished, read_events
from trainables.machine import cores

WAYS = ("packed", "warm", "stock")
NAME = "grid"
SPACE = """\
model: embedded
task: lighthouse
capability: embedded
parameters:
  lr: {type: log-float, low: 1e-5, high: 3e-3, points: 6}
  rank: {type: categorical, choices: [2, 4, 8, 16, 32]}
fixed: {alpha_per_rank: 2, target_modules: all}
searcher: {name: grid}
scheduler: {name: none}
tracking: {enabled: false}
"""


def words(options: argparse.Namespace, folder: Path, way: str) -> list[str]:
    """The command line's words for one way; its space file is written into `folder`."""
    folder.mkdir()
    space = folder / f"{NAME}.yaml"
    space.write_text(SPACE)
    return [
        f"space={space}",
        f"name={NAME}",
        f"out={folder}",
        f"trials={options.trials}",
        f"budget.steps={options.steps}",
        "budget.rungs=1",
        f"fixed.batch_size={options.batch_size}",
        f"workers.slots={'auto' if way == 'packed' else 1}",
    ]


def run_search(options: argparse.Namespace, folder: Path, way: str) -> dict[str, Any]:
    """Runs the whole search as a process of its own."""
    began = time.time()
    command = [sys.executable, "-m", "search.run", *words(options, folder, way)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.time() - began
    if done.returncode != 0:
        raise RuntimeError(f"the search failed ({done.returncode}): {done.stderr[-2000:]}")
    events = read_events(folder / NAME)
    ends = [event for event in events if isinstance(event, TrialFinished)]
    ready = next(event.time for event in events if isinstance(event, BaselineMeasured))
    chosen = next(event for event in events if isinstance(event, SlotsChosen))
    rungs = [event for event in events if isinstance(event, RungReached)]
    return {
        "whole_s": seconds,
        "trials_s": ends[-1].time - ready,
        "trials": len(ends),
        "completed": sum(end.status == "completed" for end in ends),
        "groups": chosen.groups,
        "slots": chosen.slots,
        "slots_reason": chosen.reason,
        "pack": sum(rung.pack for rung in rungs) / max(1, len(rungs)),
    }


def run_nested(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs the trials, or the first `stock_trials` of them, each with a `TorchTrainer` of its own."""
    config = load_config(words(options, folder, "stock")).config
    count = min(options.trials, options.stock_trials or options.trials)
    at_once = local_groups(config.workers)
    stock = run_stock(config, stock_requests(config, count), at_once, folder)
    trials_s = stock["s_per_trial"] * count / at_once
    return {
        "whole_s": stock["whole_s"],
        "trials_s": trials_s,
        "trials": count,
        "completed": stock["completed"],
        "at_once": at_once,
        "trials_s_per_trial": trials_s / count,
    }


def compare(ways: dict[str, dict[str, Any]], trials: int) -> dict[str, float]:
    """How many times as long the others take as the packed search, where whole grids were run."""
    whole = {way: facts for way, facts in ways.items() if facts["trials"] == trials}
    if "packed" not in whole:
        return {}
    return {
        f"{way}_to_packed_{key}": facts[key] / whole["packed"][key]
        for way, facts in whole.items()
        if way != "packed"
        for key in ("whole_s", "trials_s")
    }


def _ways(text: str) -> list[str]:
    chosen = text.split(",")
    for way in chosen:
        if way not in WAYS:
            raise argparse.ArgumentTypeError(f"{way!r} is none of {', '.join(WAYS)}")
    return chosen


def main() -> None:
    """Runs each way once, and prints one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=30, help="of the grid of 30")
    parser.add_argument("--steps", type=int, default=90, help="optimizer steps of each trial")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--ways", type=_ways, default=list(WAYS), help=f"some of {', '.join(WAYS)}")
    parser.add_argument(
        "--stock-trials",
        type=int,
        help="run only the first so many in the stock way; best a multiple of the cores",
    )
    options = parser.parse_args()
    result: dict[str, Any] = {
        "trials": options.trials,
        "steps": options.steps,
        "batch_size": options.batch_size,
        "cores": cores(),
        "load_average": os.getloadavg()[0],
    }
    ways: dict[str, dict[str, Any]] = {}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for way in options.ways:
                folder = Path(scratch) / way
                stock = way == "stock"
                ways[way] = run_nested(options, folder) if stock else run_search(options, folder, way)
                facts = ways[way]
                print(f"{way}: {facts['trials']} trials in {facts['whole_s']:.1f} s", flush=True)
    finally:
        result |= {"ways": ways, "ratios": compare(ways, options.trials)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
