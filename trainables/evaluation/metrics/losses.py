"""Metrics over tokens: held-out loss, loss on general text, divergence from the base model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from trainables.evaluation.intervals import Interval, token_mean
from trainables.evaluation.metrics.base import METRICS, Asked, Estimate, Metric
from trainables.evaluation.outcomes import Outcomes

_LARGEST_EXPONENT = 700.0


def _mean(sums: list[float], over: list[int]) -> Estimate:
    return Estimate(*token_mean(np.array(sums), np.array(over)))


def _heldout_loss(outcomes: Outcomes) -> dict[str, Estimate]:
    return {"heldout_loss": _mean(outcomes.losses, outcomes.tokens)} if outcomes.losses else {}


def _general_loss(outcomes: Outcomes) -> dict[str, Estimate]:
    found = outcomes.general
    return {"general_loss": _mean(found.sums, found.tokens)} if found.sums else {}


def _bits_per_byte(outcomes: Outcomes) -> dict[str, Estimate]:
    found = outcomes.general
    if not sum(found.sizes):
        return {}
    return {"general_bits_per_byte": _mean([loss / math.log(2) for loss in found.sums], found.sizes)}


def _perplexity(outcomes: Outcomes) -> dict[str, Estimate]:
    if not outcomes.general.sums:
        return {}
    value, interval = _mean(outcomes.general.sums, outcomes.general.tokens)
    if interval is not None:
        interval = Interval(_exp(interval.low), _exp(interval.high), interval.n)
    return {"general_perplexity": Estimate(_exp(value), interval)}


def _exp(value: float) -> float:
    return math.inf if value > _LARGEST_EXPONENT else math.exp(value)


def _loss_change(outcomes: Outcomes) -> dict[str, Estimate]:
    found = outcomes.general
    if not found.base:
        return {}
    changes = [tuned - base for tuned, base in zip(found.sums, found.base, strict=True)]
    return {"general_loss_change": _mean(changes, found.tokens)}


def _kl_base(outcomes: Outcomes) -> dict[str, Estimate]:
    found = outcomes.divergence
    if not found.sums:
        return {}
    value, interval = _mean(found.sums, found.tokens)
    if interval is not None:
        interval = Interval(max(0.0, interval.low), interval.high, interval.n)
    return {"kl_base": Estimate(value, interval)}


def _with_general_text(name: str) -> Callable[[Asked], list[str]]:
    return lambda asked: [] if asked.capability.general_text is None else [name]


METRICS.register("heldout_loss", "loss on held-out text of the task, in nats per token")(
    Metric(lambda asked: ["heldout_loss"], _heldout_loss)
)
METRICS.register("general_loss", "loss on general text, in nats per token")(
    Metric(_with_general_text("general_loss"), _general_loss)
)
METRICS.register("general_bits_per_byte", "loss on general text, in bits per byte of UTF-8")(
    Metric(_with_general_text("general_bits_per_byte"), _bits_per_byte)
)
METRICS.register("general_perplexity", "exp(general_loss)")(
    Metric(_with_general_text("general_perplexity"), _perplexity, low=1.0)
)
METRICS.register("general_loss_change", "general_loss less the base model's, paired text by text")(
    Metric(_with_general_text("general_loss_change"), _loss_change, low=-math.inf)
)
METRICS.register("kl_base", "mean KL(base || tuned) over the questions' tokens, in nats per token")(
    Metric(lambda asked: ["kl_base"] if asked.capability.kl_prompts else [], _kl_base)
)
