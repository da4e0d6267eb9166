"""The share of a finished search's work that was evaluation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from search.record import BaselineMeasured, RungReached, read_events


def share(folder: Path) -> dict[str, Any]:
    """Seconds of training and evaluation over all trials, from the search's record.

    Args:
        folder: The search's folder.

    Returns:
        "train_seconds", "eval_seconds", "share" (evaluation's of both), "parts" (seconds of evaluation by
        part, where the record has them), "baseline_seconds" and "rungs".

    Raises:
        RecordError: There is no readable record.
        ValueError: No trial has reached a rung.
    """
    events = read_events(folder)
    rungs = [event for event in events if isinstance(event, RungReached)]
    train = sum(float(rung.train_seconds) for rung in rungs)
    evaluation = sum(float(rung.eval_seconds) for rung in rungs)
    if not train + evaluation:
        raise ValueError(f"{folder}: no trial has reached a rung")
    parts: Counter[str] = Counter()
    for rung in rungs:
        parts.update({part: float(seconds) for part, seconds in rung.eval_parts.items()})
    return {
        "rungs": len(rungs),
        "train_seconds": train,
        "eval_seconds": evaluation,
        "share": evaluation / (train + evaluation),
        "parts": dict(parts),
        "baseline_seconds": sum(event.seconds for event in events if isinstance(event, BaselineMeasured)),
    }
