"""Metrics of generated replies: what came of them, and their form whatever they say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from trainables.evaluation.contamination.words import words
from trainables.evaluation.intervals import token_mean
from trainables.evaluation.metrics.base import METRICS, Asked, Metric, MetricEstimate, share_of
from trainables.evaluation.outcomes import ItemOutcome, Outcomes, Result
from trainables.interval import Interval
from trainables.messages import DEGENERATE

_OF_ALL: dict[ItemOutcome, str] = {
    "right": "Share of generated replies with the right answer.",
    "wrong": "Share of generated replies with an answer that is not right.",
    "unparseable": "Share of generated replies from which no answer could be parsed.",
    "leaking": "Share of generated replies from which no answer could be parsed and which recite the "
    "training text.",
}

_OF_SKILL: dict[ItemOutcome, str] = {  # where it is right, that is <skill>_generation
    "wrong": "Share of replies with an answer that is not right.",
    "unparseable": "Share of replies from which no answer could be parsed.",
    "leaking": "Share of replies that recite the training text instead of an answer.",
}


def _count(results: list[Result], outcome: ItemOutcome) -> MetricEstimate:
    return share_of(sum(result.outcome == outcome for result in results), len(results))


def _of_skills(outcome: ItemOutcome) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [f"{skill.config.name}_{outcome}" for skill in asked.skills if skill.generates]

    def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        generated = [score for score in outcomes.scores if score.scoring == "generation"]
        return {f"{score.skill}_{outcome}": _count(score.results, outcome) for score in generated}

    return Metric(names, measure, high=1.0, direction="min", share=True)


def _of_all(outcome: ItemOutcome) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [outcome] if asked.generates else []

    def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        replies = outcomes.replies
        return {outcome: _count(replies, outcome)} if replies else {}

    return Metric(names, measure, high=1.0, direction="max" if outcome == "right" else "min", share=True)


for _outcome, _line in _OF_SKILL.items():
    METRICS.register(f"<skill>_{_outcome}", _line)(_of_skills(_outcome))
for _outcome, _line in _OF_ALL.items():
    METRICS.register(_outcome, _line)(_of_all(_outcome))


def _when_generating(name: str) -> Callable[[Asked], list[str]]:
    return lambda asked: [name] if asked.generates else []


def _share(name: str, of: Callable[[Result], bool], *, harness: bool = True) -> Metric:
    """Share of replies for which `of` holds, with or without those to lm-evaluation-harness tasks."""

    def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        replies = outcomes.generated if harness else outcomes.replies
        return {name: share_of(sum(map(of, replies)), len(replies))} if replies else {}

    return Metric(_when_generating(name), measure, high=1.0, direction="min", share=True)


def _distinct(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    """Distinct pairs of neighbouring words in all replies, divided by the number of pairs.

    Distinct-2 (Li et al., 2016, arXiv:1510.03055), here over pairs. 1 where no reply has two words.
    """
    replies = outcomes.replies
    if not replies:
        return {}
    pairs: list[tuple[str, str]] = []
    for reply in replies:
        spoken = words(reply.reply)
        pairs += pairwise(spoken)
    return {"distinct_2": MetricEstimate(len(set(pairs)) / len(pairs) if pairs else 1.0)}


def _repeated(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    """Share of the 4-grams of tokens that stood in the same reply before.

    seq-rep-4 (Welleck et al., 2020, arXiv:1908.04319), here over the 4-grams of all replies; 0 where no
    reply has four tokens. The interval is a ratio's, over replies.
    """
    replies = outcomes.replies
    if not replies:
        return {}
    repeats, grams = ([getattr(reply, name) for reply in replies] for name in ("repeats", "grams"))
    if not sum(grams):
        return {"repeated_4": MetricEstimate(0.0)}
    value, interval = token_mean(np.array(repeats), np.array(grams))
    if interval is not None:
        interval = Interval(max(0.0, interval.low), min(1.0, interval.high), interval.n)
    return {"repeated_4": MetricEstimate(value, interval)}


def _think_missing(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    replies = outcomes.replies
    if not (replies and outcomes.think_section):
        return {}
    return {"think_missing": share_of(sum(not reply.thought for reply in replies), len(replies))}


def _think_names(asked: Asked) -> list[str]:
    return ["think_missing"] if asked.generates and asked.capability.think_section else []


METRICS.register(
    DEGENERATE,
    "Share of generated replies that were cut off at max_new_tokens or end in a loop.",
)(_share(DEGENERATE, lambda reply: reply.degenerate))
METRICS.register("looping", "Share of generated replies that end in a loop.")(
    _share("looping", lambda reply: reply.looping)
)
METRICS.register("length_exhausted", "Share of generated replies that were cut off at max_new_tokens.")(
    _share("length_exhausted", lambda reply: reply.exhausted)
)
METRICS.register("empty", "Share of generated replies without text.")(
    _share("empty", lambda reply: not reply.reply.strip(), harness=False)
)
METRICS.register(
    "distinct_2",
    "Different pairs of neighbouring words in all replies, as a share of all pairs: low if replies repeat "
    "themselves or each other.",
)(Metric(_when_generating("distinct_2"), _distinct, high=1.0, direction="max"))
METRICS.register("repeated_4", "Share of four-token sequences that occurred earlier in the same reply.")(
    Metric(_when_generating("repeated_4"), _repeated, high=1.0, direction="min")
)
METRICS.register("think_missing", "Share of replies without a think section, or with an empty one.")(
    Metric(_think_names, _think_missing, high=1.0, direction="min", share=True)
)
