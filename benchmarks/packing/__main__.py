"""Trained tokens per second: trials in packs against the same trials one at a time with plain PEFT.

Every way trains the same trials on the same examples for the same steps, in one process and on a base
model that is loaded once; making adapters and optimizers is not on the clock. Tokens are those of
the examples, without padding. The ways take turns within each repeat, and ratios are of the same repeat,
for a machine that others use too. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from benchmarks.packing.bases import MODELS, TEXT, Data, load, masked
from benchmarks.packing.cells import MODES, PLAIN, Plan, measure
from benchmarks.packing.flops import matrix_peak
from benchmarks.packing.report import conditions, heading, line, rounded
from benchmarks.packing.work import Work, make_trials
from trainables.errors import UserError
from trainables.models.skeleton import quiet_libraries

_T = TypeVar("_T")


def _listed(kind: Callable[[str], _T]) -> Callable[[str], list[_T]]:
    return lambda words: [kind(word) for word in words.split(",")]


def _mode(word: str) -> str:
    if word not in MODES:
        raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(MODES)}")
    return word


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", choices=MODELS, default="embedded")
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    made.add_argument("--threads", type=int, default=1, help="CPU threads of this process")
    made.add_argument("--batches", type=_listed(int), default=[1, 4, 16], help="examples per trial and step")
    made.add_argument("--slots", type=_listed(int), default=[2, 4, 8, 16], help="numbers of trials")
    made.add_argument(
        "--lengths",
        type=_listed(str),
        help="train on random examples of these lengths; 64-256 is a range (1.5b and 8b: 256,1024)",
    )
    made.add_argument("--ranks", type=_listed(int), default=[8], help="several: trials take them in turn")
    made.add_argument("--modes", type=_listed(_mode), default=list(MODES), help=f"some of {', '.join(MODES)}")
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--target", type=float, default=5.0, help="seconds of one run of the plain loop")
    made.add_argument("--seconds", type=float, help="after this long, nothing further is measured")
    made.add_argument("--peak", type=float, help="FLOP/s of the device; measured by default (cuda only)")
    made.add_argument(
        "--prompt", type=float, default=0.0, help="share of each example, from its start, that is no target"
    )
    made.add_argument("--text", type=Path, default=Path(TEXT), help="what smollm2 trains on")
    return made


def rows(
    options: argparse.Namespace, model: nn.Module, data: Data, plan: Plan, warm: int
) -> Iterator[dict[str, Any]]:
    """Measures one cell after another."""
    for length, examples in data.items():
        for batch_size in options.batches:
            for slots in options.slots:
                row = {"length": length, "batch_size": batch_size, "slots": slots}
                if time.monotonic() > plan.until:
                    yield row | {"skipped": "no time left"}
                    continue
                trials = make_trials(slots, batch_size, options.ranks)
                try:
                    yield row | measure(Work(model, examples, trials, warm, 1), plan)
                except torch.OutOfMemoryError:
                    yield row | {"skipped": "out of memory"}


def main() -> None:
    """Prints a table, and one line of JSON at the end whatever happens before."""
    options = parser().parse_args()
    quiet_libraries()
    warnings.filterwarnings("ignore", module=r"(peft|transformers)\.")
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("highest")
    device = torch.device(options.device)
    modes = tuple(mode for mode in MODES if mode in {PLAIN, *options.modes})
    result: dict[str, Any] = {
        "model": options.model,
        "ranks": options.ranks,
        "repeats": options.repeats,
        "prompt": options.prompt,
        **conditions(device),
        "rows": [],
    }
    peak = options.peak
    if device.type == "cuda" and peak is None:
        peak = matrix_peak(device)
    if peak is not None:
        result["peak_tflops"] = peak / 1e12
    until = time.monotonic() + (options.seconds or float("inf"))
    print(heading(modes), flush=True)
    try:
        plan = Plan(modes, options.repeats, options.target, until, peak)
        model, data = load(options.model, device, options.text, options.lengths)
        data = {name: masked(examples, options.prompt) for name, examples in data.items()}
        result |= {"dtype": str(next(model.parameters()).dtype), "lengths": list(data)}
        for row in rows(options, model, data, plan, warm=int(device.type == "cuda")):
            print(line(row), flush=True)
            result["rows"].append(row)
    except UserError as error:
        result["skipped"] = str(error)
        print(f"skipped: {error}")
    finally:
        print(json.dumps(rounded(result)), flush=True)


if __name__ == "__main__":
    main()
