"""Metrics over tokens: held-out loss, loss on general text, divergence from the base model."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from trainables.evaluation.intervals import token_mean, token_values
from trainables.evaluation.metrics.base import METRICS, Asked, Metric, MetricEstimate
from trainables.evaluation.outcomes import Outcomes, Sums
from trainables.interval import Interval

_LARGEST_EXPONENT = 700.0
_BITS_PER_BYTE = "in bits per byte of UTF-8, comparable between models with different tokenizers."

_Estimates: TypeAlias = dict[str, MetricEstimate]


def _mean(sums: list[float], over: list[int]) -> MetricEstimate:
    totals, counts = np.array(sums, np.float64), np.array(over)
    return MetricEstimate(*token_mean(totals, counts), token_values(totals, counts).tolist())


def _of(
    part: str, measure: Callable[[Sums], MetricEstimate | None], name: str
) -> Callable[[Outcomes], _Estimates]:
    """The metric over one of the texts, where it was measured."""

    def measured(outcomes: Outcomes) -> _Estimates:
        sums: Sums = getattr(outcomes, part)
        estimate = measure(sums) if sums.sums else None
        return {} if estimate is None else {name: estimate}

    return measured


def _loss(sums: Sums) -> MetricEstimate:
    return _mean(sums.sums, sums.tokens)


def _bits_per_byte(sums: Sums) -> MetricEstimate | None:
    return _mean([loss / math.log(2) for loss in sums.sums], sums.sizes) if sum(sums.sizes) else None


def _perplexity(sums: Sums) -> MetricEstimate:
    value, interval, _ = _loss(sums)
    if interval is not None:
        interval = Interval(_exp(interval.low), _exp(interval.high), interval.n)
    return MetricEstimate(_exp(value), interval)


def _exp(value: float) -> float:
    return math.inf if value > _LARGEST_EXPONENT else math.exp(value)


def _loss_change(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    general = outcomes.general
    if not general.base:
        return {}
    changes = [tuned - base for tuned, base in zip(general.sums, general.base, strict=True)]
    return {"general_loss_change": _mean(changes, general.tokens)}


def _kl_base(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    divergence = outcomes.divergence
    if not divergence.sums:
        return {}
    value, interval, values = _mean(divergence.sums, divergence.tokens)
    if interval is not None:
        interval = Interval(max(0.0, interval.low), interval.high, interval.n)
    return {"kl_base": MetricEstimate(value, interval, values)}


def _register(part: str, text: str, asked: Callable[[Asked], bool]) -> None:
    """Registers what is measured on a text."""
    perplexity = f"exp({part}_loss): the effective number of tokens that the model chooses among."
    for name, line, measure, low in (
        (f"{part}_loss", f"Loss on {text}, in nats per token.", _loss, 0.0),
        (f"{part}_bits_per_byte", f"Loss on {text}, {_BITS_PER_BYTE}", _bits_per_byte, 0.0),
        (f"{part}_perplexity", perplexity, _perplexity, 1.0),
    ):
        names = partial(_names_if, asked, name)
        METRICS.register(name, line)(Metric(names, _of(part, measure, name), low=low, direction="min"))


def _names_if(asked: Callable[[Asked], bool], name: str, by: Asked) -> list[str]:
    return [name] if asked(by) else []


def _has_general_text(asked: Asked) -> bool:
    return asked.capability.general_text is not None


_register("heldout", "held-out text from the source of the training data", lambda asked: True)
_register("general", "text of no particular domain", _has_general_text)
METRICS.register(
    "general_loss_change",
    ("Difference of general_loss from the base model's, paired text by text: 0 is no change."),
)(
    Metric(
        partial(_names_if, _has_general_text, "general_loss_change"),
        _loss_change,
        low=-math.inf,
        direction="min",
    )
)
METRICS.register(
    "kl_base",
    "Kullback-Leibler divergence from the base model, KL(base ‖ tuned), over the tokens of the "
    "questions, in nats per token: 0 is no difference.",
)(
    Metric(
        lambda asked: ["kl_base"] if asked.capability.kl_prompts and asked.skills else [],
        _kl_base,
        direction="min",
    )
)
