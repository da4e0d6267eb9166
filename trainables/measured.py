"""What was measured: a worker answers with it, and the record's events hold it. Light: no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
)

from trainables.interval import Interval


def _from_json(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


# JSON has no NaN or Inf; a record that other programs can read spells them as strings.
Number: TypeAlias = Annotated[float, BeforeValidator(_from_json), PlainSerializer(_to_json, when_used="json")]


def _interval(value: object) -> Interval:
    if isinstance(value, Interval):
        return value
    if not isinstance(value, Mapping) or value.keys() != set(Interval._fields):
        raise ValueError("is not an interval: give low, high and n")
    low, high = _from_json(value["low"]), _from_json(value["high"])
    if not all(isinstance(bound, int | float) for bound in (low, high)) or not isinstance(value["n"], int):
        raise ValueError("low and high of an interval are numbers, and n is a whole one")
    try:
        return Interval(float(low), float(high), value["n"])
    except OverflowError:
        raise ValueError("a bound of an interval is too large") from None


def _interval_data(interval: Interval, info: SerializationInfo) -> dict[str, Any]:
    shown = _to_json if info.mode_is_json() else float
    return {"low": shown(interval.low), "high": shown(interval.high), "n": interval.n}


RecordedInterval: TypeAlias = Annotated[Interval, PlainValidator(_interval), PlainSerializer(_interval_data)]
"""An interval as a record has it: keys `low`, `high` and `n`."""


class Measured(BaseModel):
    """Metrics of a trial or of a baseline.

    Attributes:
        metrics: Every metric that was measured.
        intervals: 95% intervals of those metrics that are estimates from a sample.
        eval_parts: Seconds of the evaluation by part, such as "heldout" or "generation"; a part that there
            was not is left out.
        items_file: Parquet file of the results item by item, relative to the search's folder; None where
            none was kept.
        values: Of metrics that are means of numbers over few items, such as losses, of trials at their full
            budget and of baselines: the number of each item, in the items' order.
    """

    model_config = ConfigDict(frozen=True)

    metrics: dict[str, Number] = {}
    intervals: dict[str, RecordedInterval] = {}
    eval_parts: dict[str, Number] = {}
    items_file: str | None = None
    values: dict[str, list[float]] = {}


class TrialMeasured(Measured):
    """Metrics of a trial.

    Attributes:
        eval_seconds: Time in the evaluation, divided among the trials that were evaluated together: shares
            add up.
        group: Name of the worker group.
    """

    eval_seconds: float = 0.0
    group: str = ""


class Trained(TrialMeasured):
    """Metrics of a trial at a rung, and its training since the one before.

    Attributes:
        step: Optimizer steps done.
        items: "1" or "0" for each item, in the items' order. Of `lora` those of each skill, whether it was
            answered rightly, scored as for capability, and of `degenerate` every generated reply of all
            skills, in order of skill.
        curve: (step, mean training loss) pairs, at most 50.
        checkpoint: Folder of what was saved, relative to the search's.
        train_seconds: Time in training, divided among the trials that trained together: shares add up.
        tokens: Tokens of this trial that went through the model, without padding; 0 where that was not
            counted.
        padding: Share of padding among the tokens of the passes that the trial took part in.
        pack: Mean number of trials in those passes.
        measured: Whether it was measured there; else `metrics` has what training alone says. See
            `trainables.messages.EarlyRungs`.
    """

    step: int = 0
    items: dict[str, str] = {}
    curve: list[tuple[int, Number]] = []
    checkpoint: str | None = None
    train_seconds: float = 0.0
    tokens: Annotated[int, Field(ge=0)] = 0
    padding: Annotated[float, Field(ge=0, lt=1)] = 0.0
    pack: Annotated[float, Field(ge=1)] = 1.0
    measured: bool = True

    def as_fields(self, kind: type[Measured]) -> dict[str, Any]:
        """What of it a type has too, by field, to make one from."""
        return {name: getattr(self, name) for name in kind.model_fields}
