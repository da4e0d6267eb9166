"""A trainable of another shape than `lora`: no model, no task, no questions; nothing is really trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from search.config.schema import config_model
from trainables.interval import Interval
from trainables.messages import Reply, TrainRequest
from trainables.settings import Section
from trainables.trainable import TRAINABLES, Artifact, Finding, MetricSpec, TrainableSpec


class NetConfig(Section):
    """What is trained."""

    width: Annotated[int, Field(ge=1)] = 4
    table: str
    layers: tuple[str, ...] = ()


class ToyOptions(Section):
    """One section, and none of `lora`'s."""

    net: NetConfig


class ToyParameters(BaseModel):
    """What a space may search or fix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0


def metrics(options: ToyOptions) -> Sequence[MetricSpec]:
    """Accuracy and distance, both compared with the base's, and what is measured at the end alone."""
    return (
        MetricSpec("accuracy", "Share of correct rows.", "max", 0, 1, relative="accuracy_kept"),
        MetricSpec("distance", "Of the rows from their centres.", "min", 0, relative="distance_ratio"),
        MetricSpec("audit", "Of the rows that are kept for the end.", "max", at="last"),
    )


def check(options: ToyOptions) -> Iterator[Finding]:
    if options.net.table == "nowhere":
        yield Finding("net.table", "there is no table 'nowhere'", "give another one")


def worker() -> Any:
    raise AssertionError("nothing is trained in a worker")


TOY = TrainableSpec(
    parameters=ToyParameters,
    options=ToyOptions,
    metrics=metrics,
    worker=worker,
    artifact=Artifact("net", 'load_net("{folder}")'),
    baselines={"base": "the net as it is", "mean": "the mean of all rows"},
    subject=lambda options: f"a net of {options.net.table}",
    check=check,
    examples=lambda options, seed: 30,
    effects={"net.table": "content", "net.layers": "none"},
    contents=lambda options: {"net.table": f"sha256:{len(options.net.table)}"},
)

SPACE = """\
trainable: toy
net: {table: rows}
trials: 4
budget: {steps: 9}
parameters:
  slope: {type: log-float, low: 1e-3, high: 10}
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainableSpec]:
    """The trainable `toy`, registered for the time of a test."""
    monkeypatch.setitem(TRAINABLES._entries, "toy", TOY)
    monkeypatch.setitem(TRAINABLES._lines, "toy", "a net on a table, for tests")
    yield TOY
    config_model.cache_clear()


def measured(slope: float, steps: int) -> Mapping[str, float]:
    return {
        "train_loss": 3.0 - math.log10(slope + 1) * steps / 9,
        "accuracy": 0.8 / (1 + slope / 10),
        "distance": 2.0 * (1 + slope),
    }


BASE_REPLY = Reply(
    "ok",
    metrics={"train_loss": 3.0, "accuracy": 0.8, "distance": 2.0},
    intervals={"accuracy": Interval(0.75, 0.85, 100)},
)


def reply(request: TrainRequest) -> Reply:
    """What a worker would answer: a function of the request alone."""
    slope = float(request.params["slope"] or 0)
    values = dict(measured(slope, request.to_step))
    return Reply(
        "ok",
        step=request.to_step,
        metrics=values | ({"audit": 0.5} if request.last else {}),
        intervals={
            "accuracy": Interval(values["accuracy"] - 0.02, values["accuracy"] + 0.02, 100),
            "distance": Interval(values["distance"] - 0.1, values["distance"] + 0.1, 100),
        },
        checkpoint=request.save_to,
        train_seconds=1.0,
        eval_seconds=0.1,
    )
