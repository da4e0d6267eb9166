"""One part after another within the time that there is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TextIO

from benchmarks.gpu.budget import box
from benchmarks.gpu.conditions import conditions
from benchmarks.gpu.part import Part, Row
from benchmarks.gpu.parts import load
from benchmarks.gpu.process import End, run_apart

CONDITIONS = "conditions"
ROW = "row"
END = "end"
NOT_RUN = "not run"
"""Kinds of lines: what holds for all of them; a measurement; the end of a part; one that was left out."""

_BOX = 120.0
"""Seconds of the box of a part that is rehearsed, and of the conditions: few are needed, but the machine may
be busy."""


class Results:
    """Lines of JSON, each written as soon as it is known.

    Args:
        streams: Where they go.
    """

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams
        self.failed = False

    def write(self, kind: str, facts: Row) -> None:
        """Writes a line."""
        line = json.dumps({"kind": kind} | facts)
        for stream in self._streams:
            print(line, file=stream, flush=True)

    def end(self, part: str, claim: str, box: float, end: End) -> None:
        """Writes how a part came to its end."""
        self.failed = self.failed or end.reason is not None
        facts: Row = {"part": part, "claim": claim, "box": round(box, 1), "seconds": round(end.seconds, 2)}
        for key, value in (("reason", end.reason), ("trace", end.trace)):
            if value is not None:
                facts[key] = value
        self.write(END, facts)


def run_all(
    names: Sequence[str],
    device: str,
    rehearse: bool,
    seconds: float,
    results: Results,
    load: Callable[[str], Part] = load,
) -> None:
    """Measures the conditions and then every part.

    Args:
        names: Parts, the most important first.
        device: Where they compute.
        rehearse: See `Stage`.
        seconds: For all of it.
        results: Takes the lines, and whether any part failed.
        load: Finds a part by its name.
    """
    until = time.monotonic() + seconds
    end = run_apart(conditions, device, rehearse, _BOX, partial(results.write, CONDITIONS))
    if end.reason is not None:
        results.end(CONDITIONS, "the machine and the libraries", _BOX, end)
    parts = []
    for name in names:
        try:
            parts.append(load(name))
        except Exception as error:  # noqa: BLE001 - a named boundary: the other parts run all the same
            reason = f"cannot be imported: {type(error).__name__}: {error}"
            results.end(name, "", 0.0, End(0.0, reason))
    for index, part in enumerate(parts):
        wanted = [_BOX if rehearse else each.seconds for each in parts[index:]]
        room = box(wanted, until - time.monotonic())
        if room is None:
            results.write(NOT_RUN, {"part": part.name, "claim": part.claim, "reason": "no time left"})
            continue
        end = run_apart(part.run, device, rehearse, room, _keeper(results, part.name))
        results.end(part.name, part.claim, room, end)


def _keeper(results: Results, name: str) -> Callable[[Row], None]:
    return lambda row: results.write(ROW, {"part": name} | row)
