"""Optimizer steps of trials with two adapters each: in one pack against one trial at a time.

All ways train the same trials with gradients routed by example, in one process and on one base model. They
take turns within each repeat, and ratios are of the same repeat, for a machine that others use too. `single`
are packed trials of one adapter with the ranks of both: what routing costs beside it. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.packing.bases import MODELS, TEXT, load
from benchmarks.packing.meter import Meter
from benchmarks.packing.packs import ONE_PASS
from benchmarks.packing.report import conditions, rounded
from benchmarks.packing.work import Work
from trainables.data.examples import Example
from trainables.lora.adapters import Adapters
from trainables.lora.pack import MakeTrial, Pack
from trainables.lora.trial import LoraTrial
from trainables.models.skeleton import quiet_libraries
from trainables.routing.parameters import RoutingParameters
from trainables.routing.trial import RoutingTrial
from trainables.serving.base import HeldBase

_BEHAVING = 10
"""Every example of so many is labelled."""

_TOTAL = 10**6
_WARM = 2


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", choices=MODELS, default="embedded")
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    made.add_argument("--threads", type=int, default=1, help="CPU threads of this process")
    made.add_argument("--slots", type=int, default=8, help="number of trials")
    made.add_argument("--batch", type=int, default=8, help="examples per trial and step")
    made.add_argument("--rank", type=int, default=8, help="of each adapter")
    made.add_argument("--steps", type=int, default=5, help="optimizer steps of a run")
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--text", type=Path, default=Path(TEXT), help="what smollm2 trains on")
    return made


def seconds(work: Work, trials: Sequence[Any], make: MakeTrial, together: bool) -> float:
    """Time of some steps of all trials, in one pack or in packs of one after the other."""
    meter = Meter(work.device)
    base = HeldBase(work.twin())
    adapters = Adapters(base.model, "base")
    for part in [trials] if together else [[params] for params in trials]:
        pack = Pack(base, adapters, work.examples, _TOTAL, ONE_PASS, make=make)
        with work.device:  # PEFT draws the weights where it makes them
            held = [pack.add(f"trial{index}", params) for index, params in enumerate(part)]
        for until, clock in ((work.warm, None), (work.warm + work.steps, meter)):
            for trial in held:
                pack.start(trial, until)
            _train(pack, clock)
        for trial in held:
            pack.remove(trial)
    return meter.seconds


def _train(pack: Pack, meter: Meter | None) -> None:
    """Steps until all trials are where they are to be; on the clock where there is one.

    Raises:
        RuntimeError: A trial could not be trained.
    """
    while pack.active:
        if meter is None:
            failed = pack.step().failed
        else:
            with meter:
                failed = pack.step().failed
        if failed:
            raise RuntimeError(f"a trial failed: {failed[0][1]}")


def measure(work: Work, trials: Sequence[RoutingParameters], repeats: int) -> dict[str, Any]:
    """Speed of packed trials as a multiple of that of the same one at a time, and of single adapters."""
    labels = np.arange(len(work.examples)) % _BEHAVING == 0

    def routed(name: str, params: RoutingParameters, examples: Sequence[Example], total: int) -> RoutingTrial:
        return RoutingTrial(name, params, labels, examples, total)

    ways: dict[str, Callable[[], float]] = {
        "alone": lambda: seconds(work, trials, routed, together=False),
        "packed": lambda: seconds(work, trials, routed, together=True),
        "single": lambda: seconds(work, [params.single for params in trials], LoraTrial, together=True),
    }
    runs: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        names = list(ways)
        turn = repeat % len(names)
        for name in (*names[turn:], *names[:turn]):
            runs[name].append(ways[name]())
    return {
        "seconds": {name: statistics.median(each) for name, each in runs.items()},
        "packed_to_alone": _ratio(runs["alone"], runs["packed"]),
        "packed_to_single": _ratio(runs["single"], runs["packed"]),
    }


def _ratio(base: Sequence[float], own: Sequence[float]) -> dict[str, float]:
    """Speed as a multiple of that of the base, repeat by repeat."""
    ratios = [other / mine for other, mine in zip(base, own, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def main() -> None:
    """Prints one line of JSON."""
    options = parser().parse_args()
    quiet_libraries()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    model, data = load(options.model, device, options.text, None)
    trials = tuple(
        RoutingParameters(
            lr=1e-4,
            rank=options.rank,
            batch_size=options.batch,
            seed=seed,
            warmup=0,
            schedule="constant",
        )
        for seed in range(options.slots)
    )
    examples = next(iter(data.values()))
    work = Work(model, examples, tuple(params.single for params in trials), _WARM, options.steps)
    facts = {name: getattr(options, name) for name in ("model", "slots", "batch", "rank", "steps", "repeats")}
    print(
        json.dumps(rounded(facts | conditions(device) | measure(work, trials, options.repeats))), flush=True
    )


if __name__ == "__main__":
    main()
