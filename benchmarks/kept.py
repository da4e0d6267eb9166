"""Whether a recommended configuration keeps its floor with new seeds as often as the search says.

    python -m benchmarks.kept [--searches 6] [--seeds 10]

Searches of the space `demo` on the embedded model, in this process and without Ray, each with another seed.
The configuration that each recommends is trained again with new seeds and answers the same questions. Prints
a row for each search, and all as JSON in its last line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import yaml

from benchmarks.coverage import PAGE
from benchmarks.page import table, write_section
from search.judging.recommend import recommend
from tests.one_process import run_here

FIRST_SEED = 1000
"""Of the repetitions; searches derive theirs from large numbers."""
SPACE = {
    "model": "embedded",
    "task": "lighthouse",
    "capability": "embedded",
    "budget": {"steps": 90, "rungs": 1},
    "searcher": "grid",
    "scheduler": "none",
    "confirm": {"candidates": 0},
    "guards": {"retention": None},
    "objectives": [
        {"metric": "train_loss", "direction": "min"},
        {"metric": "retention", "direction": "max", "floor": 0.95},
    ],
}


@dataclass(frozen=True)
class Kept:
    """What a search said, and what new seeds gave.

    Attributes:
        word: Of the floor.
        low: Lower end of the interval of retention that the search gives.
        mean: Of retention over the new seeds.
        inside: Whether that lies in the interval.
        runs_kept: New runs that keep the floor by themselves.
        runs: New runs that completed.
    """

    seed: int
    settings: str
    word: str
    value: float
    low: float | None
    high: float | None
    mean: float
    inside: bool
    runs_kept: int
    runs: int


def measure(seed: int, seeds: int, trials: int, folder: Path) -> Kept | None:
    """One search, and the new runs; None where it recommends nothing."""
    words = ("space=demo", f"seed={seed}", f"trials={trials}", f"name=search-{seed}", f"out={folder}")
    state = run_here(*words, "tracking.enabled=false").state
    choice = recommend(state)
    if choice.trial is None:
        return None
    held = next(each for each in choice.constraints if each.metric == "retention")
    again = retentions(state.trials[choice.trial].proposed.sampled, seed, seeds, folder)
    mean = fmean(again)
    return Kept(
        seed,
        choice.settings,
        held.word,
        held.value,
        held.low,
        held.high,
        mean,
        held.low is not None and held.high is not None and held.low <= mean <= held.high,
        sum(each >= 0.95 for each in again),
        len(again),
    )


def retentions(sampled: Mapping[str, object], seed: int, seeds: int, folder: Path) -> list[float]:
    """Retention of a configuration's new runs."""
    first = FIRST_SEED * (1 + seed)
    space = SPACE | {
        "trials": seeds,
        "parameters": {"seed": {"type": "categorical", "choices": list(range(first, first + seeds))}},
        "fixed": {"batch_size": 8, "target_modules": "all", **sampled},
    }
    path = folder / f"again-{seed}.yaml"
    path.write_text(yaml.safe_dump(space), encoding="utf-8")
    state = run_here(f"space={path}", f"name=again-{seed}", f"out={folder}", "tracking.enabled=false").state
    return [
        trial.last.metrics["retention"] if trial.status == "completed" and trial.last else 0.0
        for trial in state.trials.values()
    ]


def lines(rows: Sequence[Kept]) -> list[str]:
    """The searches as a Markdown table."""
    header = ("search", "floor", "retention", "mean of the new runs", "new runs that keep it")
    return table(
        header,
        [
            (
                f"seed {row.seed}: {row.settings}",
                row.word,
                f"{row.value:.3f}" + ("" if row.low is None else f" [{row.low:.3f}, {row.high:.3f}]"),
                f"{row.mean:.3f}{'' if row.inside else ', outside'}",
                f"{row.runs_kept} of {row.runs}",
            )
            for row in rows
        ],
    )


def main() -> None:
    """Prints a row for each search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--searches", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="put the table into the page of results")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.searches):
            row = measure(seed, options.seeds, options.trials, Path(folder))
            print(row, flush=True)
            rows += [row] if row else []
    if options.write:
        write_section(PAGE, "kept", lines(rows))
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
