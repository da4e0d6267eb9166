"""How long earlier searches of the same model took."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search.config.schema import SearchConfig
from search.errors import RecordError
from search.record import SearchState, read_events
from search.record.files import EVENTS

_RECORDS = 5
_LARGEST = 20 * 2**20


@dataclass(frozen=True)
class History:
    """Means over the rungs of earlier searches.

    Attributes:
        rungs: Number of rungs that it rests on.
        token_seconds: A group's training time per token (batch size times length), packed as it was.
        evaluation_seconds: Time of an evaluation; None where none asked the same questions.
    """

    rungs: int
    token_seconds: float
    evaluation_seconds: float | None


def read_history(config: SearchConfig, default_batch: int) -> History | None:
    """Reads the newest records below `out` that trained the same model on as many workers and CPUs.

    Args:
        config: The search that is planned.
        default_batch: Batch size of trials that give none.
    """
    seconds = tokens = 0.0
    rungs = 0
    evaluations: list[float] = []
    for folder in _newest(Path(config.out)):
        state = _read(folder)
        if state is None or state.started is None or not _same(state.started.config, config):
            continue
        recorded = state.started.config
        asked = recorded["capability"] == config.model_dump(mode="json")["capability"]
        length = recorded["task"].get("max_length") or 0
        for trial in state.trials.values():
            batch = trial.params.get("batch_size", default_batch)
            size = float(batch) if isinstance(batch, int | float) else default_batch
            before = 0
            for rung in trial.rungs:
                tokens += rung.tokens or (rung.step - before) * size * length
                seconds += rung.train_seconds
                before = rung.step
                rungs += 1
                evaluations += [rung.eval_seconds] if asked else []
    if not rungs or not tokens:
        return None
    return History(rungs, seconds / tokens, sum(evaluations) / len(evaluations) if evaluations else None)


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


def _same(recorded: dict[str, object], config: SearchConfig) -> bool:
    now = config.model_dump(mode="json")
    workers = recorded.get("workers")
    return recorded.get("model") == now["model"] and (
        isinstance(workers, dict)
        and all(workers.get(key) == now["workers"][key] for key in ("workers", "cpus", "gpus", "zero_stage"))
    )
