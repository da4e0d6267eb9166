"""Makes the table of recorded curves from the folders of finished searches.

    python -m benchmarks.search_quality.record_table FOLDER FOLDER [--times FOLDER] --out TABLE.csv.gz

The searches try the same configurations, each with another seed; rungs that a trial did not reach have no
row. Columns are the parameters, seed, rung and step, the objectives and the seconds. Rows are in order of
configuration, seed and rung, and the file depends on the records alone. With --times the seconds are those of
another search: the median, by ranks and rung, of its trials. That is for searches that were recorded while
the machine did other things too.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

from search.record import RungReached, SearchStarted, TrialProposed, read_events

PLACE = ("seed", "rung", "step")
"""Columns between the parameters and the objectives."""
SECONDS = ("train_seconds", "eval_seconds")
"""The last columns."""


def rows(folder: Path) -> Iterator[dict[str, object]]:
    """One row per rung that a trial of the search reached, with the search's own seed.

    Args:
        folder: Folder of the search.

    Raises:
        search.errors.TightropeError: There is no readable record in the folder.
    """
    seed: object = None
    metrics: list[str] = []
    sampled: dict[int, dict[str, object]] = {}
    for event in read_events(folder):
        if isinstance(event, SearchStarted):
            seed = event.config["seed"]
            metrics = [objective["metric"] for objective in event.config["objectives"]]
        elif isinstance(event, TrialProposed):
            sampled[event.trial] = dict(event.sampled)
        elif isinstance(event, RungReached):
            if not event.measured:
                raise SystemExit(f"trial {event.trial} was not measured at every rung: budget.early_ratio=0")
            yield {
                **sampled[event.trial],
                "seed": seed,
                "rung": event.rung,
                "step": event.step,
                **{metric: _short(event.metrics[metric]) for metric in metrics},
                "train_seconds": round(event.train_seconds, 4),
                "eval_seconds": round(event.eval_seconds, 4),
            }


def retimed(
    table: Iterable[dict[str, object]], timed: Iterable[dict[str, object]]
) -> Iterator[dict[str, object]]:
    """Rows of `table` with the median seconds of the rows of `timed` that have the same ranks and rung.

    Raises:
        KeyError: None has.
    """
    groups: defaultdict[tuple[tuple[str, object], ...], list[dict[str, object]]] = defaultdict(list)
    for row in timed:
        groups[_size(row)].append(row)
    for row in table:
        same = groups.get(_size(row))
        if same is None:
            size = ", ".join(f"{name} {value}" for name, value in _size(row))
            raise KeyError(f"no trial was timed with {size}")
        seconds = {name: median(float(str(each[name])) for each in same) for name in SECONDS}
        yield row | {name: round(value, 4) for name, value in seconds.items()}


def _size(row: dict[str, object]) -> tuple[tuple[str, object], ...]:
    """What seconds depend on."""
    return tuple((name, value) for name, value in row.items() if name.startswith("rank") or name == "rung")


def write(table: Iterable[dict[str, object]], out: Path) -> int:
    """Writes rows as gzipped CSV; returns their number."""
    ordered = list(table)
    columns = list(ordered[0])
    keys = columns[: columns.index(PLACE[-1]) + 1]
    ordered.sort(key=lambda row: tuple(float(str(row[name])) for name in keys))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ordered)
    # Without a time stamp equal tables are equal files.
    out.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    return len(ordered)


def _short(value: float) -> float:
    return float(f"{value:.7g}")


def main() -> None:
    """Writes the table and prints the number of its rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--times", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    table = (row for folder in options.folders for row in rows(folder))
    count = write(retimed(table, rows(options.times)) if options.times else table, options.out)
    print(f"{count} rows in {options.out}")


if __name__ == "__main__":
    main()
