"""Earlier searches, whose times a plan may go by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from search.config.schema import SearchConfig
from search.errors import RecordError
from search.record import SearchState, TrialState, read_events
from search.record.files import EVENTS
from trainables.planning import RecordedRung, RecordedSearch

_RECORDS = 5
_LARGEST = 20 * 2**20
_SAME = ("workers", "cpus", "gpus", "zero_stage")


def recorded_searches(config: SearchConfig) -> list[RecordedSearch]:
    """Those among the newest records below `out` with the same trainable on as many workers and CPUs."""
    searches = []
    for folder in _newest(Path(config.out)):
        state = _read(folder)
        if state is None or state.started is None or not _is_alike(state.started.config, config):
            continue
        rungs = [rung for trial in state.trials.values() for rung in _rungs(trial)]
        searches.append(RecordedSearch(state.started.config, rungs))
    return searches


def _rungs(trial: TrialState) -> Iterator[RecordedRung]:
    steps = pairwise((0, *(rung.step for rung in trial.rungs)))
    for rung, (before, step) in zip(trial.rungs, steps, strict=True):
        yield RecordedRung(trial.params, step - before, rung.tokens, rung.train_seconds, rung.eval_seconds)


def _newest(out: Path) -> list[Path]:
    records = [path for path in out.glob(f"*/{EVENTS}") if path.stat().st_size <= _LARGEST]
    records.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in records[:_RECORDS]]


def _read(folder: Path) -> SearchState | None:
    """A record's state, or None for one that is of another version: the plan can do without."""
    try:
        return SearchState.from_events(read_events(folder))
    except RecordError:
        return None


def _is_alike(recorded: Mapping[str, Any], config: SearchConfig) -> bool:
    workers, now = recorded.get("workers"), config.workers.model_dump(mode="json")
    return recorded.get("trainable") == config.trainable and (
        isinstance(workers, dict) and all(workers.get(key) == now[key] for key in _SAME)
    )
