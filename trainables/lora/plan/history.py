"""How long earlier searches of the same model took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainables.lora.options import LoraOptions
from trainables.lora.parameters import LoraParameters
from trainables.planning import RecordedSearch


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


def read_history(options: LoraOptions, searches: Sequence[RecordedSearch]) -> History | None:
    """The times of those searches that trained the same model.

    Args:
        options: Of the search that is planned.
        searches: Earlier ones.
    """
    now, default_batch = options.model_dump(mode="json"), LoraParameters().batch_size
    seconds = tokens = 0.0
    rungs = 0
    evaluations: list[float] = []
    for search in searches:
        recorded = search.config
        if recorded.get("model") != now["model"]:
            continue
        asked = recorded["capability"] == now["capability"]
        length = recorded["task"].get("max_length") or 0
        for rung in search.rungs:
            batch = rung.params.get("batch_size", default_batch)
            size = float(batch) if isinstance(batch, int | float) else default_batch
            tokens += rung.tokens or rung.steps * size * length
            seconds += rung.train_seconds
            rungs += 1
            evaluations += [rung.eval_seconds] if asked else []
    if not rungs or not tokens:
        return None
    return History(rungs, seconds / tokens, sum(evaluations) / len(evaluations) if evaluations else None)
