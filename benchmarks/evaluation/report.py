"""Time and size of the report of a large search."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scale import Instant, configure
from search.record import BaselineMeasured, RecordWriter
from search.simulate import simulate
from trainables.messages import Reply, TrainRequest

_WORKERS = 16
_CURVE = 50
"""Points of a training curve per rung, the most that a record holds."""


def _metrics(retention: float) -> dict[str, float]:
    lost = 1 - retention
    return {
        "capability": retention, "heldout_loss": 4 - lost, "general_loss": 3 + lost, "kl_base": 4 * lost,
        "facts_generation": retention, "facts_likelihood": 0.5 + retention / 2, "degenerate": 0.2 * lost,
        "right": retention, "wrong": 0.3 * lost, "unparseable": 0.6 * lost, "leaking": 0.1 * lost,
    }  # fmt: skip


class _Full(Instant):
    """The made-up curves of `benchmarks.scale`, with all that a worker's reply has beside the objectives."""

    baseline = BaselineMeasured(
        name="base", metrics={**_metrics(1.0), "train_loss": 4.2, "retention": 1.0}, seconds=1.0
    )

    def reply(self, request: TrainRequest) -> Reply:
        """From the same noise for the same request."""
        answer = super().reply(request)
        noise = random.Random(request.trial)
        loss = answer.metrics["train_loss"]
        steps = range(request.from_step + 1, request.to_step + 1)
        return Reply(
            "ok",
            step=answer.step,
            metrics=_metrics(min(1.0, max(0.0, answer.metrics["retention"]))) | answer.metrics,
            curve=[(step, loss + noise.gauss(0, 0.1)) for step in steps][-_CURVE:],
            train_seconds=answer.train_seconds,
            eval_seconds=answer.eval_seconds,
            group=f"group{request.trial % 4}",
        )


def measure(trials: int) -> dict[str, Any]:
    """Makes the report of a simulated search as a user does, in a process of its own.

    Returns:
        "trials", "seconds" and "cpu_seconds" of the whole command, "html_mib" of the page, and "files".
    """
    with tempfile.TemporaryDirectory() as folder:
        with RecordWriter(Path(folder)) as record:
            for event in simulate(configure(trials, "moasha"), _Full(), _WORKERS).events:
                record.append(event)
        before, began = os.times(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "analysis.report", folder], check=True, stdout=subprocess.DEVNULL
        )
        seconds, after = time.perf_counter() - began, os.times()
        files = list(Path(folder, "report").iterdir())
        size = Path(folder, "report", "report.html").stat().st_size
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "trials": trials,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "html_mib": size / 2**20,
        "files": len(files),
    }
