"""What the search itself costs per trial, with trials that train nothing, as their number grows.

- simulator: the simulated search (`search.simulate`) with an instant curve, 64 workers, random points, for
  each scheduler and 1,000, 10,000 and 100,000 trials: seconds, seconds per trial, the exponent k of
  CPU seconds ~ trials^k fitted over the sizes, and what the process's memory grew by per 1,000 trials.
  Each run is a process of its own.
- tune: the real Tune loop (`search.tune`) with a dispatcher that answers at once in place of worker groups:
  decisions per second over each tenth of the trials, and the growth of the driver's memory per 1,000 trials.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from search.conductor import Conductor
from search.config.load import load_config
from search.config.schema import SearchConfig
from search.record import BaselineMeasured, Event
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.simulate import simulate
from search.space import SearchSpace
from trainables.machine import cores
from trainables.messages import Reply, TrainRequest

SCHEDULERS = ("asha", "moasha")
WORKERS = 64
STEPS = 27


def configure(trials: int, scheduler: str) -> SearchConfig:
    """The demo's space with random points."""
    words = [
        "space=demo", f"trials={trials}", f"budget.steps={STEPS}", "searcher=random",
        f"scheduler={scheduler}", "confirm.candidates=0", "tracking.enabled=false",
    ]  # fmt: skip
    return load_config(words).config


class Instant:
    """Curves that are made up at once: noisy, and the same for the same request."""

    baseline: BaselineMeasured | None = None

    def reply(self, request: TrainRequest) -> Reply:
        """Loss falls with steps; retention falls with the learning rate."""
        noise = random.Random(request.trial * 1000 + request.to_step)
        lr = math.log10(float(request.params["lr"] or 1.0))
        return Reply(
            "ok",
            step=request.to_step,
            metrics={
                "train_loss": 4.0 - 0.3 * (lr + 5) * (request.to_step / STEPS) ** 0.3 + noise.gauss(0, 0.1),
                "retention": min(1.0, 1.1 - 0.05 * max(0.0, lr + 4) ** 2 + noise.gauss(0, 0.02)),
            },
            train_seconds=noise.uniform(0.5, 1.5) * (request.to_step - request.from_step),
            eval_seconds=1.0,
        )


def resident_mib() -> float:
    """The process's own memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def run_simulator(trials: int, scheduler: str) -> dict[str, Any]:
    """One simulated search, timed; memory is the peak over what the process had before."""
    config = configure(trials, scheduler)
    # What is imported and cached at first use is not the search's.
    simulate(configure(50, scheduler), Instant(), WORKERS)
    before, began, cpu = resident_mib(), time.perf_counter(), time.process_time()
    simulated = simulate(config, Instant(), WORKERS)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "trials": trials,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - cpu,
        "s_per_trial": seconds / trials,
        "events": len(simulated.events),
        "peak_mib_per_1000_trials": max(0.0, peak - before) / trials * 1000,
    }


def run_apart(trials: int, scheduler: str) -> dict[str, Any]:
    """The same in a process of its own, so that memory is this search's alone."""
    command = [sys.executable, "-m", "benchmarks.scale", "--one", scheduler, "--trials", str(trials)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"simulator, {scheduler}, {trials:,} trials: {figures['seconds']:.1f} s "
        f"({figures['cpu_seconds']:.1f} s of CPU), {figures['s_per_trial'] * 1e3:.3f} ms per trial, "
        f"{figures['peak_mib_per_1000_trials']:.1f} MiB per 1,000 trials",
        flush=True,
    )
    return figures


def exponent(runs: Sequence[dict[str, Any]]) -> float | None:
    """Slope of the logarithm of CPU seconds over that of trials; n log n gives 1.11 from 1e3 to 1e5."""
    if len(runs) < 2:
        return None
    logs = np.log([[run["trials"], run["cpu_seconds"]] for run in runs])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


class InstantDispatcher:
    """Has the calls of the dispatcher of worker groups that the Tune loop makes, and answers at once."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._curves = Instant()

    async def submit(self, request: TrainRequest) -> Reply:
        """The reply of `Instant`, without the time that it says."""
        return self._curves.reply(request)

    async def release(self, trial: int) -> None:
        """Nothing was held."""

    async def capacity(self) -> int:
        """As many slots as at the beginning."""
        return self._slots


class InstantGroups:
    """In place of `WorkerGroups`: all that the Tune loop needs of it."""

    def __init__(self, slots: int) -> None:
        import ray

        self.dispatcher: Any = ray.remote(num_cpus=0, max_concurrency=1000)(InstantDispatcher).remote(slots)


class _Meter:
    """Keeps the times of decisions and, now and then, the driver's memory, and no event."""

    def __init__(self, every: int) -> None:
        self._every = every
        self.trials = 0
        self.decisions = 0
        self.marks: list[tuple[int, int, float, float]] = []

    def __call__(self, event: Event) -> None:
        self.decisions += event.event == "rung_reached"
        if event.event == "trial_finished":
            self.trials += 1
            if self.trials % self._every == 0:
                self.marks.append((self.trials, self.decisions, time.perf_counter(), resident_mib()))


def run_tune_loop(trials: int, scheduler: str, slots: int) -> dict[str, Any]:
    """One search through the real Tune loop; pace and memory per tenth of it."""
    import ray

    from search.cluster import prepare_environment
    from search.tune.loop import run_tune

    config = configure(trials, scheduler)
    space = SearchSpace(config.parameters, config.fixed)
    meter = _Meter(max(1, trials // 10))
    conductor = Conductor(config, space, make_searcher(config, space), make_scheduler(config), meter)
    prepare_environment()
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        groups: Any = InstantGroups(slots)
        run_tune(conductor, groups, slots, Path(folder) / "tune", Path(folder))
        seconds = time.perf_counter() - began
    ray.shutdown()
    tenths = [
        {
            "trials": later[0],
            "decisions_per_s": (later[1] - earlier[1]) / (later[2] - earlier[2]),
            "driver_mib": later[3],
        }
        for earlier, later in zip(meter.marks, meter.marks[1:], strict=False)
    ]
    first, last = meter.marks[0], meter.marks[-1]
    growth = (last[3] - first[3]) / (last[0] - first[0]) * 1000
    print(f"tune: {trials:,} trials, {seconds:.1f} s, {growth:.1f} MiB per 1,000 trials", flush=True)
    return {
        "trials": trials,
        "slots": slots,
        "scheduler": scheduler,
        "seconds": seconds,
        "decisions": meter.decisions,
        "decisions_per_s": (last[1] - first[1]) / (last[2] - first[2]),
        "driver_mib_per_1000_trials": growth,
        "tenths": tenths,
    }


def _sizes(text: str) -> list[int]:
    return [int(float(part)) for part in text.split(",")]


def main() -> None:
    """Runs the halves that are asked for, and prints one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("simulator", "tune"), help="one half alone")
    parser.add_argument("--sizes", type=_sizes, default=[1000, 10_000, 100_000], help="for the simulator")
    parser.add_argument("--schedulers", default=",".join(SCHEDULERS), help="for the simulator")
    parser.add_argument("--trials", type=int, default=10_000, help="through the Tune loop")
    parser.add_argument("--slots", type=int, default=4, help="trials at once in the Tune loop")
    parser.add_argument("--one", choices=SCHEDULERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_simulator(options.trials, options.one)))
        return
    result: dict[str, Any] = {"cores": cores(), "load_average": os.getloadavg()[0]}
    try:
        if options.only != "tune":
            result["simulator"] = {}
            for scheduler in options.schedulers.split(","):
                runs = [run_apart(size, scheduler) for size in options.sizes]
                result["simulator"][scheduler] = {"runs": runs, "exponent": exponent(runs)}
        if options.only != "simulator":
            result["tune"] = run_tune_loop(options.trials, "moasha", options.slots)
    finally:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
