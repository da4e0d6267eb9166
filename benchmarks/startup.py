"""Seconds until a user sees something: the help, the plan, the base model measured, the first rung.

Each is a fresh process; the fastest and the median of several runs are given.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from search.record import BaselineMeasured, Event, RungReached, read_events


def command(*words: str) -> list[str]:
    """The command line under test."""
    return [sys.executable, "-m", "search.run", *words]


def timed(*words: str) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run(command(*words), check=True, capture_output=True)
    return time.perf_counter() - began


def search() -> dict[str, float]:
    """Runs two short trials; seconds from the process's start to what its record says."""
    with tempfile.TemporaryDirectory() as out:
        began = time.time()
        words = ["space=demo", "trials=2", "budget.steps=9", f"out={out}"]
        subprocess.run(command(*words), check=True, capture_output=True)
        seconds = {"whole_search_s": time.time() - began}
        events = read_events(Path(out) / "demo")
    return seconds | {
        "to_base_measured_s": first(events, BaselineMeasured) - began,
        "to_first_rung_s": first(events, RungReached) - began,
    }


def first(events: list[Event], kind: type[BaselineMeasured] | type[RungReached]) -> float:
    """Time of the first event of a kind."""
    return next(event.time for event in events if isinstance(event, kind))


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    measurements: dict[str, list[float]] = {}
    for _ in range(repeats):
        measured = {"to_help_s": timed("--help"), "to_plan_s": timed("space=demo", "--plan")} | search()
        for key, seconds in measured.items():
            measurements.setdefault(key, []).append(seconds)
    print(
        json.dumps(
            {
                key: {"fastest": round(min(values), 2), "median": round(statistics.median(values), 2)}
                for key, values in measurements.items()
            }
        )
    )


if __name__ == "__main__":
    main()
