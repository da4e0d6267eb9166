"""Measures every claim about GPUs on one GPU, the most important first, within a time limit.

Each printed line is one JSON object, and is also written to a file in --out, from which
`python -m benchmarks.gpu.table FILE` makes the table. Exit code 1: a part failed, and its row says why.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NoReturn

import torch

from benchmarks.gpu.parts import NAMES
from benchmarks.gpu.run import Results, run_all


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, and exit code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parts(words: str) -> list[str]:
    unknown = [word for word in words.split(",") if word not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(NAMES)}")
    return [name for name in NAMES if name in words.split(",")]


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{word} is not a positive number of seconds")
    return seconds


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    made = _Parser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--rehearse", action="store_true", help="on the CPU, with small shapes")
    made.add_argument(
        "--seconds", type=_seconds, help="limit for all parts together (default: 500, to rehearse 3600)"
    )
    made.add_argument(
        "--parts", type=_parts, default=list(NAMES), help=f"some of {', '.join(NAMES)}, separated by commas"
    )
    made.add_argument(
        "--out", type=Path, default=Path("build/gpu"), help="folder of the results (default: build/gpu)"
    )
    return made


def main() -> None:
    """Runs the parts; prints lines of JSON."""
    options = parser().parse_args()
    if not options.rehearse and not torch.cuda.is_available():
        parser().error("torch finds no GPU; --rehearse measures on the CPU instead")
    file = options.out / time.strftime("%Y%m%d-%H%M%S.jsonl")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        stream = file.open("x")
    except OSError as error:
        parser().error(f"--out: {error}")
    with stream:
        results = Results(stream, sys.stdout)
        device, usual = ("cpu", 3600.0) if options.rehearse else ("cuda:0", 500.0)
        run_all(options.parts, device, options.rehearse, options.seconds or usual, results)
    print(f"Results: {file}", file=sys.stderr)
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
