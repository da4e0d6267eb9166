"""The share of a finished search's work that was evaluation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from search.record import SearchState, read_events


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
    state = SearchState.from_events(read_events(folder))
    trials = state.trials.values()
    train = sum(trial.train_seconds for trial in trials)
    evaluation = sum(trial.eval_seconds for trial in trials)
    if not train + evaluation:
        raise ValueError(f"{folder}: no trial has reached a rung")
    parts: Counter[str] = Counter()
    for trial in trials:
        for own in trial.eval_parts:
            parts.update({part: float(seconds) for part, seconds in own.items()})
    return {
        "rungs": sum(len(trial.rungs) for trial in trials),
        "train_seconds": train,
        "eval_seconds": evaluation,
        "share": evaluation / (train + evaluation),
        "parts": dict(parts),
        "baseline_seconds": sum(baseline.seconds for baseline in state.baselines.values()),
    }
