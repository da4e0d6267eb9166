"""Runs a part in a process of its own, so that nothing it does can harm the next one."""

from __future__ import annotations

import faulthandler
import json
import math
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from benchmarks.gpu.part import Row, Stage

GRACE = 3.0
"""Seconds after the end of its box that a part has to come to an end by itself."""

_SERVER = get_context("forkserver")
# Forking one process that has imported everything is quick, and safe: it never initialises CUDA.
_SERVER.set_forkserver_preload(["benchmarks.gpu.preload"])

Run = Callable[[Stage], Iterator[Row]]


@dataclass(frozen=True)
class End:
    """How a part came to its end.

    Attributes:
        seconds: What it took, its process included.
        reason: Why it failed; None where it did not.
        trace: Where it raised, in full; None where it did not raise.
    """

    seconds: float
    reason: str | None = None
    trace: str | None = None


def run_apart(run: Run, device: str, rehearse: bool, seconds: float, keep: Callable[[Row], None]) -> End:
    """Runs a part in a box of so many seconds.

    Args:
        run: What it does; see `Part`.
        device: Where it computes.
        rehearse: See `Stage`.
        seconds: Its box.
        keep: Called with each row as it comes.
    """
    began = time.monotonic()
    until = began + seconds
    ours, theirs = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=_serve, args=(theirs, run, device, rehearse, until), daemon=True)
    process.start()
    theirs.close()
    last: Row | None = None
    try:
        while last is None and wait([ours], timeout=max(0.0, until + GRACE - time.monotonic())):
            kind, body = json.loads(ours.recv_bytes())
            if kind == "row":
                keep(body)
            else:
                last = body
        if last is None:
            last = {"reason": f"killed: its box of {seconds:.0f} s was over"}
        else:
            process.join(GRACE)
    except EOFError:
        process.join()
        last = {"reason": _death(process.exitcode or 0)}
    finally:
        process.kill()  # it has done what it can, or has had its time
        process.join()
    return End(time.monotonic() - began, last.get("reason"), last.get("trace"))


def _death(code: int) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _serve(line: Connection, run: Run, device: str, rehearse: bool, until: float) -> None:
    """What the part's process does: sends rows, and at last why there are no more."""
    faulthandler.enable()
    warnings.filterwarnings("ignore", module=r"(peft|transformers)\.")
    torch.set_float32_matmul_precision("highest")
    last: Row = {}
    try:
        for row in run(Stage(torch.device(device), rehearse, until)):
            _send(line, "row", row)
    except Exception as error:  # noqa: BLE001 - a named boundary: whatever a part raises is its result
        last = {"reason": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    _send(line, "end", last)


def _send(line: Connection, kind: str, body: Row) -> None:
    line.send_bytes(json.dumps([kind, _plain(body)], allow_nan=False).encode())


def _plain(value: Any) -> Any:
    """Rounded to four significant digits, and without numbers that JSON lacks."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
