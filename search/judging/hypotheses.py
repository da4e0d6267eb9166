"""Hypotheses: whether the record supports each claim, and where it cannot decide, what would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import ValidationError

from search import wording
from search.claims import Claim, ClaimError, parse_claim
from search.config.schema import HypothesisConfig
from search.judging.claimed import Evidence, UnansweredError, gather
from search.judging.contrasts import POWER, Contrast, contrast
from search.judging.holm import adjusted, levels
from search.record import SearchState
from search.record.events import JudgedHypothesis
from search.record.explained import metric_of, range_of, trainable_of

Verdict: TypeAlias = Literal["supported", "not supported", "undecided"]

ALPHA = 0.05
"""Probability with which any hypothesis of a search is decided wrongly, over all of them together."""


@dataclass(frozen=True)
class Answer:
    """What the record says of a hypothesis.

    Attributes:
        over: "recommended", "front" or "all".
        estimate: The claim's left side minus its right side; NaN where something was not measured.
        low: Lower end of its 95% interval by itself; -inf where no noise is known.
        high: Upper end.
        level: 1 minus the level of the interval that decides, by Holm's adjustment.
        adjusted_low: Lower end of that interval.
        adjusted_high: Upper end.
        p: Two-sided p-value of no difference.
        p_adjusted: After Holm's adjustment over all hypotheses.
        values: Each quantity that the claim names.
        counts: Items of each quantity that has an interval over items.
        paired: Whether quantities over the same items were paired.
        trials: Numbers of the trials of each group.
        basis: What the quantities are means over.
        needed: Where it is undecided: what would decide it, in a sentence.
        caveats: What else is uncertain, in sentences.
    """

    name: str
    claim: str
    meaning: str | None
    over: str
    verdict: Verdict
    estimate: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    level: float = ALPHA
    adjusted_low: float = -math.inf
    adjusted_high: float = math.inf
    p: float = 1.0
    p_adjusted: float = 1.0
    values: Mapping[str, float] | None = None
    counts: Mapping[str, int] | None = None
    paired: bool = False
    trials: tuple[tuple[int, ...], ...] = ()
    basis: str = ""
    needed: str | None = None
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Prepared:
    """A hypothesis before the others are known: with its contrast, or why there is none."""

    name: str
    hypothesis: HypothesisConfig
    claim: Claim | None
    evidence: Evidence | None
    contrast: Contrast | None
    unanswered: str = ""


def hypotheses_of(state: SearchState) -> dict[str, HypothesisConfig]:
    """Those of the last session, by name; in older records those that the search began with."""
    return {
        name: hypothesis for name, data in _recorded(state).items() if (hypothesis := _read(data)) is not None
    }


def answers(state: SearchState) -> tuple[Answer, ...]:
    """The answer to every hypothesis, in their order, decided together by Holm's procedure."""
    with np.errstate(over="ignore", invalid="ignore"):  # a loss that diverged may be as large as it likes
        prepared = [_prepare(state, name, each) for name, each in hypotheses_of(state).items()]
        p_values = [1.0 if each.contrast is None else each.contrast.p for each in prepared]
        return tuple(
            _answer(state, *each)
            for each in zip(prepared, p_values, adjusted(p_values), levels(p_values, ALPHA), strict=True)
        )


def judged(state: SearchState) -> dict[str, JudgedHypothesis]:
    """The answers by name, as the record keeps them."""
    return {each.name: JudgedHypothesis(verdict=each.verdict, text=describe(each)) for each in answers(state)}


def describe(answer: Answer) -> str:
    """The verdict with the numbers it rests on, in a line."""
    text = f"{answer.verdict}: {answer.claim}"
    if math.isnan(answer.estimate):
        return text
    text += f"; left minus right {wording.number(answer.estimate)}"
    if not (math.isfinite(answer.adjusted_low) or math.isfinite(answer.adjusted_high)):
        return text
    ends = ", ".join(wording.number(end) for end in (answer.adjusted_low, answer.adjusted_high))
    return f"{text}, {100 * (1 - answer.level):.4g}% interval [{ends}], adjusted p {answer.p_adjusted:.2g}"


def _recorded(state: SearchState) -> Mapping[str, Any]:
    assert state.started is not None
    last = state.sessions[-1].hypotheses if state.sessions else None
    begun: Mapping[str, Any] = state.started.config.get("hypotheses") or {}
    return begun if last is None else last


def _read(data: Any) -> HypothesisConfig | None:
    try:
        return HypothesisConfig.model_validate(data)
    except ValidationError:  # a record of another version
        return None


def _prepare(state: SearchState, name: str, hypothesis: HypothesisConfig) -> _Prepared:
    try:
        claim = parse_claim(hypothesis.claim)
    except ClaimError as error:  # a record of another version
        return _Prepared(name, hypothesis, None, None, None, error.message)
    try:
        evidence = gather(state, hypothesis, claim)
    except UnansweredError as error:
        return _Prepared(name, hypothesis, claim, None, None, str(error))
    measured = contrast(
        claim.difference.constant,
        evidence.series,
        seeds=() if evidence.seeds is None else (evidence.seeds,),
        overlapping=evidence.overlapping,
    )
    return _Prepared(name, hypothesis, claim, evidence, measured)


def _answer(state: SearchState, given: _Prepared, p: float, p_adjusted: float, level: float) -> Answer:
    claim, evidence, measured = given.claim, given.evidence, given.contrast
    filtered = claim is not None and any(quantity.filters for quantity in claim.quantities)
    over = given.hypothesis.scope(filtered)
    late = _written_late(state, given.name)
    if claim is None or evidence is None or measured is None:
        caveats = (given.unanswered, *late)
        return Answer(
            given.name, given.hypothesis.claim, given.hypothesis.meaning, over, "undecided", caveats=caveats
        )
    verdict = _verdict(claim, *measured.interval(level))
    low, high = _possible(state, claim, measured.interval(ALPHA))
    adjusted_low, adjusted_high = _possible(state, claim, measured.interval(level))
    return Answer(
        given.name,
        given.hypothesis.claim,
        given.hypothesis.meaning,
        over,
        verdict,
        estimate=measured.estimate,
        low=low,
        high=high,
        level=level,
        adjusted_low=adjusted_low,
        adjusted_high=adjusted_high,
        p=p,
        p_adjusted=p_adjusted,
        values={
            str(quantity): float(series.values.mean())
            for quantity, series in zip(claim.quantities, evidence.series, strict=True)
        },
        counts={
            str(quantity): series.count
            for quantity, series in zip(claim.quantities, evidence.series, strict=True)
            if series.count
        },
        paired=measured.paired,
        trials=evidence.groups,
        basis=evidence.basis,
        needed=_needed(state, claim, evidence, measured, level) if verdict == "undecided" else None,
        caveats=(*evidence.caveats, *_unknown(evidence, measured), *late),
    )


def _verdict(claim: Claim, low: float, high: float) -> Verdict:
    """Whether the whole interval of the difference is on the claimed side of 0, or on the other."""
    if claim.comparison in ("<", "<="):
        low, high = -high, -low
    strict = claim.comparison in ("<", ">")
    if low > 0 or (low == 0 and not strict):
        return "supported"
    return "not supported" if high < 0 or (high == 0 and strict) else "undecided"


def _possible(state: SearchState, claim: Claim, interval: tuple[float, float]) -> tuple[float, float]:
    """The part of an interval that the difference can reach, by the ranges of what is compared."""
    ends = [claim.difference.constant] * 2
    for quantity, factor in claim.difference.terms.items():
        low, high = range_of(trainable_of(state), quantity.metric)
        ends = [
            ends[0] + factor * (low if factor > 0 else high),
            ends[1] + factor * (high if factor > 0 else low),
        ]
    low, high = interval
    return max(ends[0], low) if math.isfinite(low) else low, min(ends[1], high) if math.isfinite(
        high
    ) else high


def _written_late(state: SearchState, name: str) -> Sequence[str]:
    assert state.started is not None
    begun = state.started.config.get("hypotheses") or {}
    if begun.get(name) == _recorded(state).get(name):
        return ()
    return ("It was written or changed after the search began: results may have suggested it.",)


def _unknown(evidence: Evidence, measured: Contrast) -> Sequence[str]:
    """What the interval leaves out."""
    if not measured.known:
        return ("Its noise is unknown: neither items nor differences between trials show it.",)
    unknown = []
    if measured.between.variance is None and evidence.groups:
        unknown.append("The interval leaves out how much the result differs between seeds.")
    if len({each.coefficient > 0 for each in evidence.series if each.intervals}) > 1:
        unknown.append(
            "Items are not recorded one by one, and so not paired: the interval is wider than it could be."
        )
    return unknown


def _needed(
    state: SearchState, claim: Claim, evidence: Evidence, measured: Contrast, level: float
) -> str | None:
    """The sample that would decide, in a sentence."""
    if not measured.known:
        return None
    needed = measured.needed(level)
    if needed is None:
        return "No number of items or trials would decide between sides that are as close as these."
    parts = []
    if needed.items > 1:
        what, counts = _sample(state, claim), {each.count for each in evidence.series if each.count}
        count = counts.pop()
        more = f"{needed.items:.3g} times as many {what}"
        parts.append(
            more if counts else f"{wording.rounded_up(count * needed.items)} {what} in place of {count}"
        )
    if needed.trials > 1:
        count, what = measured.between.trials, "repetitions" if evidence.repeated else "trials"
        each = " in each group" if len(evidence.groups) > 1 else ""
        parts.append(f"{wording.rounded_up(count * needed.trials)} {what} in place of {count}{each}")
    return (
        f"About {' and '.join(parts)} would decide it with a probability of {POWER:.0%}, were the observed "
        "difference the true one."
    )


def _sample(state: SearchState, claim: Claim) -> str:
    """What the items are, in the plural."""
    known = [metric_of(trainable_of(state), quantity.metric) for quantity in claim.quantities]
    samples = {metric.sample for metric in known if metric is not None}
    return samples.pop() if len(samples) == 1 else "items"
