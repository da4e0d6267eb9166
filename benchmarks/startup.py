"""Seconds until a user sees something: the help, the plan, the base model measured, the first rung.

Each is a fresh process; the fastest and the median of several runs are given.

    python -m benchmarks.startup [--repeats N] [--against CHECKOUT]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from search.record import BaselineMeasured, Event, RungReached, read_events


def run(checkout: Path, *words: str) -> None:
    """Runs the command line of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "search.run", *words]
    subprocess.run(command, check=True, capture_output=True, cwd=checkout, env=environment)


def timed(checkout: Path, *words: str) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    run(checkout, *words)
    return time.perf_counter() - began


def search(checkout: Path) -> dict[str, float]:
    """Runs two short trials; seconds from the process's start to what its record says."""
    with tempfile.TemporaryDirectory() as out:
        began = time.time()
        run(checkout, "space=demo", "trials=2", "budget.steps=9", f"out={out}")
        whole = time.time() - began
        events = read_events(Path(out) / "demo")
    return {
        "to_base_measured_s": first(events, BaselineMeasured) - began,
        "to_first_rung_s": first(events, RungReached) - began,
        "to_last_event_s": events[-1].time - began,
        "whole_search_s": whole,
    }


def first(events: list[Event], kind: type[BaselineMeasured] | type[RungReached]) -> float:
    """Time of the first event of a kind."""
    return next(event.time for event in events if isinstance(event, kind))


def measure(checkout: Path) -> dict[str, float]:
    """Everything once."""
    plan = timed(checkout, "space=demo", "--plan")
    return {"to_help_s": timed(checkout, "--help"), "to_plan_s": plan} | search(checkout)


def main() -> None:
    """Prints one line of JSON for each checkout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--against", type=Path, help="another checkout of the project, measured in turns with this one"
    )
    options = parser.parse_args()
    here = Path(__file__).resolve().parent.parent
    checkouts = [here] if options.against is None else [here, options.against.resolve()]
    measured: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    for _ in range(options.repeats):
        for checkout in checkouts:
            measured[checkout].append(measure(checkout))
    for checkout, rounds in measured.items():
        print(json.dumps({"checkout": str(checkout)} | {key: spread(rounds, key) for key in rounds[0]}))


def spread(rounds: list[dict[str, float]], key: str) -> dict[str, float]:
    """The fastest and the median of what was measured."""
    values = [each[key] for each in rounds]
    return {"fastest": round(min(values), 2), "median": round(statistics.median(values), 2)}


if __name__ == "__main__":
    main()
