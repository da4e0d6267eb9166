"""Schema of what ends trials and searches early, and of what is trained again at the end."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from search.config.values import Folder
from trainables.settings import Positive, Section


class GuardsConfig(Section):
    """Ends trials that are breaking the model, whatever the scheduler says. None switches a guard off.

    Attributes:
        spike: The smoothed training loss may rise to this multiple of its lowest value so far, which counts
            as at least 1 nat.
        retention: Retention must not lie below this with its whole 95% interval, which is paired with the
            base model's answers; "floor" is the floor of the objective `retention`.
        degeneration: The share of degenerate replies (those that repeat themselves or do not end) may rise
            by so much over the base model's; counted with the 95% interval of the paired difference.
    """

    spike: Annotated[float, Field(gt=1)] | None = 3.0
    retention: Annotated[float, Field(gt=0, le=1)] | Literal["floor"] | None = "floor"
    degeneration: Annotated[float, Field(ge=0, lt=1)] | None = 0.25


class ConfirmConfig(Section):
    """The best candidates are trained again at full budget before one is recommended.

    Attributes:
        candidates: Number of candidates; 0 confirms nothing.
        seeds: Runs of each, with seeds that the search has not used.
    """

    candidates: Annotated[int, Field(ge=0, le=100)] = 3
    seeds: Annotated[int, Field(ge=2, le=100)] = 2


class LimitsConfig(Section):
    """What the search may spend, beside `trials`; whichever is reached first ends it.

    No trial begins after that, and those in training end at their next rung. What confirmation is expected
    to take is kept back for it.

    Attributes:
        hours: Wall-clock time, in hours, over all sessions.
        device_hours: Hours times devices of the worker groups (GPUs, or CPU workers where there are none).
        cost: Money, at `price` per node and hour.
        price: Price of a node for an hour.
    """

    hours: Annotated[float, Field(gt=0)] | None = None
    device_hours: Annotated[float, Field(gt=0)] | None = None
    cost: Annotated[float, Field(gt=0)] | None = None
    price: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _price(self) -> LimitsConfig:
        if self.cost is not None and self.price is None:
            raise ValueError("cost needs the price of a node for an hour: limits.price=NUMBER")
        return self


class WarmStartConfig(Section):
    """An earlier search whose trials this one begins with.

    Attributes:
        search: Folder of the earlier search.
        use: "points": its best configurations are this search's first trials; "prior": its trials teach
            the searcher in place of random ones until it has its own.
        trials: Number of trials taken over.
    """

    search: Folder
    use: Literal["points", "prior"] = "points"
    trials: Positive = 8
