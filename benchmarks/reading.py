"""What it costs to read the record of a long search, to resume the search, and to make its report.

Seconds of CPU, also as a multiple of those for parsing the record's JSON in the same run, and the peak of
memory. Each is a process of its own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.scale import WORKERS, Instant, configure
from search.conductor import Conductor
from search.record import BaselineMeasured, RecordWriter, read_events
from search.record.files import EVENTS
from search.resume import open_record
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.simulate import simulate
from search.space import SearchSpace
from trainables.interval import Interval
from trainables.messages import Reply, TrainRequest

_ITEMS = 80
_BASE = BaselineMeasured(name="base", metrics={"capability": 0.9, "retention": 1.0}, seconds=1.0)


class _Recorded(Instant):
    """The replies of `Instant` with as many curve points, intervals and items as real ones have."""

    baseline = _BASE

    def reply(self, request: TrainRequest) -> Reply:
        reply, noise = super().reply(request), random.Random(request.trial)
        loss, kept = reply.metrics["train_loss"], reply.metrics["retention"]
        skills = dict.fromkeys(("facts_generation", "arithmetic_generation", "format_generation"), kept)
        metrics = reply.metrics | {"heldout_loss": loss, "capability": 0.9 * kept} | skills
        steps = range(request.from_step, request.to_step)
        return reply.model_copy(
            update={
                "metrics": metrics,
                "intervals": {name: Interval(kept - 0.05, kept + 0.05, _ITEMS) for name in metrics},
                "items": {name: "".join(noise.choice("01") for _ in range(_ITEMS)) for name in skills},
                "curve": [(step + 1, loss + noise.gauss(0, 0.1)) for step in steps],
            }
        )


def write(trials: int, out: Path) -> int:
    """Writes the record of a simulated search; returns its size in bytes."""
    config = configure(trials, "moasha").model_copy(update={"out": str(out)})
    folder = out / config.name
    with RecordWriter(folder) as record:
        for event in simulate(config, _Recorded(), WORKERS).events:
            record.append(event)
    return (folder / EVENTS).stat().st_size


def _json(trials: int, out: Path) -> None:
    for line in (out / configure(trials, "moasha").name / EVENTS).open("rb"):
        json.loads(line)


def _read(trials: int, out: Path) -> None:
    read_events(out / configure(trials, "moasha").name)


def _resume(trials: int, out: Path) -> None:
    recorded = open_record(configure(trials, "moasha").model_copy(update={"out": str(out)}))
    config = recorded.config
    space = SearchSpace(config.parameters, config.fixed)
    make = make_searcher(config, space), make_scheduler(config)
    Conductor(config, space, *make, lambda event: None, recorded.events)


def _report(trials: int, out: Path) -> None:
    from analysis.report.command import main as report

    report([str(out / configure(trials, "moasha").name), f"out={out / 'report'}"])


PARTS: dict[str, Callable[[int, Path], None]] = {
    "json": _json, "read": _read, "resume": _resume, "report": _report,
}  # fmt: skip


def measure(part: str, trials: int, out: Path) -> dict[str, float]:
    """A part in this process: seconds of CPU without those of imports, and MiB at the peak."""
    if part == "report":
        import analysis.report.cards  # noqa: F401 - not the search's own time
    began = time.process_time()
    PARTS[part](trials, out)
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text()  # getrusage has the peak of the process that started this
    return {"cpu_s": seconds, "peak_mib": int(status.split("VmHWM:")[1].split()[0]) / 1024}


def main() -> None:
    """Measures each part, and prints one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--one", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.trials, options.out)))
        return
    result: dict[str, Any] = {"trials": options.trials}
    with tempfile.TemporaryDirectory() as out:
        result["mib"] = write(options.trials, Path(out)) / 2**20
        for part in PARTS:
            words = ["--one", part, "--trials", str(options.trials), "--out", out]
            command = [sys.executable, "-m", "benchmarks.reading", *words]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            result[part] = json.loads(done.stdout.splitlines()[-1])
            result[part]["times_json"] = result[part]["cpu_s"] / result["json"]["cpu_s"]
            print(part, result[part], flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
