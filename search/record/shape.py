"""The keys of a recorded configuration that every reader of a record relies on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError


class _Named(BaseModel):
    name: str


class _Budget(BaseModel):
    steps: int | Literal["trial"]


class _Objective(BaseModel):
    metric: str
    direction: Literal["min", "max"]
    floor: float | None = None
    ceiling: float | None = None


class _Skill(BaseModel):
    name: str
    scoring: list[str] = Field(min_length=1)


class _Capability(BaseModel):
    skills: list[_Skill]


class _Task(_Named):
    max_length: int | None = None


class _Recorded(BaseModel):
    """Not the whole schema: a record outlives changes to keys that no reader needs."""

    name: str
    space: str
    trainable: str
    seed: int
    trials: int
    budget: _Budget
    objectives: list[_Objective] = Field(min_length=1)


class _RecordedLora(_Recorded):
    """With the sections of `lora`, without which no reader expects such a record."""

    model: _Named
    task: _Task
    capability: _Capability


def config_problem(config: dict[str, Any]) -> str | None:
    """What is wrong with a recorded configuration, or None."""
    try:
        shape = _RecordedLora if config.get("trainable") == "lora" else _Recorded
        shape.model_validate(config)
    except ValidationError as error:
        return first_problem(error, "config")
    return None


def first_problem(error: ValidationError, *above: str) -> str:
    """The first problem of a line, with the key that it is about, below the keys `above`."""
    details = error.errors(include_url=False, include_input=False)[0]
    if details["type"] == "json_invalid":
        return "it is not JSON"
    key = ".".join(map(str, (*above, *details["loc"])))
    message = "is missing" if details["type"] == "missing" else details["msg"]
    return f"{key}: {message}" if key else message
