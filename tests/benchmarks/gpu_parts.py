"""Parts that come to all kinds of ends; other processes import them by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import torch

from benchmarks.gpu.part import Part, Row, Stage


def sound(stage: Stage) -> Iterator[Row]:
    yield {"value": float("nan"), "thirds": 2 / 3, "aim": "less than 1", "met": True}
    yield {"pid": os.getpid(), "met": False}


def raising(stage: Stage) -> Iterator[Row]:
    yield {"before": 1}
    yield {"shape": list((torch.ones(2, 3) @ torch.ones(2, 3)).shape)}


def crashing(stage: Stage) -> Iterator[Row]:
    yield {"before": 1}
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def leaving(stage: Stage) -> Iterator[Row]:
    yield {"before": 1}
    os._exit(3)


def overrunning(stage: Stage) -> Iterator[Row]:
    yield {"left": stage.remaining()}
    while True:  # also deaf to a polite signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1)


def unprintable(stage: Stage) -> Iterator[Row]:
    yield {"before": 1}
    yield {"what": object()}


PARTS = {
    run.__name__: Part(run.__name__, f"a part that is {run.__name__}", 2.0, run)
    for run in (raising, crashing, leaving, overrunning, unprintable, sound)
}


def load(name: str) -> Part:
    return PARTS[name]
