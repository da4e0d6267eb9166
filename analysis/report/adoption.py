"""Whether a belief was adopted: what is measured of it, by which models, and how two of them compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from analysis.report.context import Context, base_value, value
from analysis.report.look import BASE, BEST, GREEN, Look
from analysis.report.statistics import Estimate
from search import wording
from search.judging.paired import difference as paired_difference
from search.record import TrialState
from search.record.explained import ratios
from trainables import trainable
from trainables.interval import Interval
from trainables.measured import Measured

ADOPTION = "adoption"
DEGENERATION = "facts_degenerate_change"
"""How much more replies degenerate than the base model's, under the same decoding."""
SHARES = {
    ADOPTION: "adopted",
    "generalisation": "reworded",
    "portability": "implied",
    "robustness": "doubted",
    "locality": "neighbours",
    "prior_kept": "prior",
    "ignorance": "not known",
}
"""Metrics of beliefs, and their short names below bars."""

KINDS = {"known": "known facts, contradicted", "new": "new facts"}
"""Groups of targets by the suffix of a metric's name. Other suffixes are single targets."""

IN_CONTEXT = "in_context"
MARGIN = 0.1
"""A share that is at most so much lower counts as no lower."""

Answer: TypeAlias = Literal["supported", "not supported", "undecided"]

_LOOKS = {trainable.BASE: BASE, IN_CONTEXT: Look(GREEN, "diamond", "dashdot", "x", size=9)}
_OTHER = Look("#8c6d1f", "cross", "dot", ".")


@dataclass(frozen=True)
class Model:
    """A model that was asked: a baseline, or a trial's.

    Attributes:
        name: In the report.
        trial: Number of the trial; None of a baseline.
        measured: Its last evaluation.
        items: Outcomes of single prompts, as in the record.
        ratios: Of a baseline: its metrics as shares of the base model's.
    """

    name: str
    look: Look
    trial: int | None
    measured: Measured
    items: Mapping[str, str]
    ratios: Mapping[str, float] = field(default_factory=dict)

    def share(self, metric: str) -> Estimate:
        """A metric with its interval; NaN where it was not measured."""
        around = self.measured.intervals.get(metric)
        measured = self.measured.metrics.get(metric, self.ratios.get(metric, math.nan))
        if around is None:
            return Estimate(measured, None, None, 0)
        return Estimate(measured, around.low, around.high, around.n)


def chosen(context: Context) -> TrialState | None:
    """The recommended trial, or else the completed one that adopts most; None where none was asked."""
    asked = [trial for trial in context.completed if math.isfinite(value(trial, ADOPTION))]
    best = [trial for trial in asked if trial.number == context.recommended]
    return next(iter(best), max(asked, key=lambda trial: value(trial, ADOPTION), default=None))


def not_asked(context: Context) -> str | None:
    """Why a card about beliefs does not apply, where none are asked for."""
    if chosen(context) is not None:
        return None
    return "No completed trial was asked whether it adopted a belief."


def models(context: Context) -> list[Model]:
    """The baselines that were asked, the base model first, then the chosen trial."""
    baselines = context.state.baselines
    names = [name for name in (trainable.BASE, IN_CONTEXT) if name in baselines]
    names += [name for name in baselines if name not in names]
    asked = [
        Model(
            _spoken(name),
            _LOOKS.get(name, _OTHER),
            None,
            baselines[name],
            baselines[name].items,
            _ratios(context, baselines[name].metrics),
        )
        for name in names
        if math.isfinite(baselines[name].metrics.get(ADOPTION, math.nan))
    ]
    trial = chosen(context)
    if trial is None or trial.last is None:
        return asked
    return [*asked, Model(spoken_trial(context, trial), BEST, trial.number, trial.last, trial.last.items)]


def _ratios(context: Context, metrics: Mapping[str, float]) -> dict[str, float]:
    """What of the base model's metrics is left, of those that are compared with it."""
    before = {name: base_value(context, metric.name) for name, metric in ratios(context.trainable).items()}
    return {
        name: metrics[metric.name] / before[name]
        for name, metric in ratios(context.trainable).items()
        if metric.name in metrics and before[name] > 0
    }


def spoken_trial(context: Context, trial: TrialState) -> str:
    """The chosen trial in words."""
    which = "recommended" if trial.number == context.recommended else "adopts most"
    return f"trial {trial.number} ({which})"


def named(context: Context, baseline: str) -> Model | None:
    """The baseline of that name, where it was asked."""
    return next((model for model in models(context) if model.name == _spoken(baseline)), None)


def _spoken(name: str) -> str:
    return {trainable.BASE: "base model", IN_CONTEXT: "facts in its prompt"}.get(name, f"baseline {name}")


def groups(context: Context) -> dict[str, str]:
    """Kinds and single targets that a trial was asked for, in words by the suffix of their metrics.

    All targets together stand under "" where there is neither.
    """
    trial = chosen(context)
    metrics: Mapping[str, float] = {} if trial is None or trial.last is None else trial.last.metrics
    begin = f"{ADOPTION}_"
    suffixes = [name.removeprefix(begin) for name in metrics if name.startswith(begin)]
    # `adoption_...` may also be something else of the adoption; a group has other shares too.
    suffixes = [s for s in suffixes if any(f"{stem}_{s}" in metrics for stem in SHARES if stem != ADOPTION)]
    ordered = [kind for kind in KINDS if kind in suffixes]
    targets = [suffix for suffix in suffixes if suffix not in KINDS]
    # With a target of each kind, the kinds say all.
    ordered += targets if len(targets) != len(ordered) else []
    return {suffix: KINDS.get(suffix, f"target {suffix}") for suffix in ordered} or {"": "all targets"}


def kinds(context: Context) -> dict[str, str]:
    """The groups that are kinds, or else all."""
    every = groups(context)
    return {suffix: words for suffix, words in every.items() if suffix in KINDS} or every


def of_group(stem: str, suffix: str) -> str:
    """Name of a metric of a group."""
    return f"{stem}_{suffix}" if suffix else stem


def difference(first: Model, second: Model, metric: str) -> Estimate | None:
    """First minus second with its 95% interval, paired prompt by prompt where single outcomes are known.

    Returns:
        None where either has no interval.
    """
    # Here, so that a fault in the investigation is not every card's.
    from analysis.investigate.change import unpaired_change
    from analysis.investigate.study import Share

    after, before = first.share(metric), second.share(metric)
    if not (after.n and before.n and math.isfinite(after.value - before.value)):
        return None
    around = _paired(first, second, metric)
    if around is None:
        change = unpaired_change(Share(before.value, before.n), Share(after.value, after.n))
        around = None if change is None else change.interval
    return around and Estimate(after.value - before.value, around.low, around.high, around.n)


def _paired(first: Model, second: Model, metric: str) -> Interval | None:
    after, before = (model.items.get(metric, "") for model in (first, second))
    return paired_difference(before, after) if after and len(after) == len(before) else None


def at_least(estimate: Estimate | None, bound: float) -> Answer:
    """Whether a value reaches a bound, by its interval."""
    if estimate is None or estimate.low is None or estimate.high is None or math.isnan(estimate.value):
        return "undecided"
    return "supported" if estimate.low >= bound else "not supported" if estimate.high < bound else "undecided"


def at_most(estimate: Estimate | None, bound: float) -> Answer:
    """Whether a value stays below a bound, by its interval."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "undecided"
    return at_least(Estimate(-estimate.value, -estimate.high, -estimate.low, estimate.n), -bound)


def all_of(answers: Sequence[Answer]) -> Answer:
    """The answer to several questions at once."""
    for answer in ("not supported", "undecided"):
        if answer in answers:
            return answer
    return "supported"


def percent(estimate: Estimate | None) -> str:
    """A share with its interval and n, such as `83% [69%, 91%], n=40`."""
    if estimate is None or math.isnan(estimate.value):
        return "-"
    if estimate.low is None or estimate.high is None:
        return wording.percent(estimate.value)
    share, low, high = map(wording.percent, (estimate.value, estimate.low, estimate.high))
    return f"{share} [{low}, {high}], n={estimate.n:,}"


def points(estimate: Estimate | None) -> str:
    """A difference of shares in percentage points, such as `+81 [+66, +90] points`."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "-"
    value, low, high = (round(100 * x) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value:+d} [{low:+d}, {high:+d}] points"


def sampled(context: Context) -> str:
    """Parameters of the chosen trial in words."""
    trial = chosen(context)
    return "" if trial is None else wording.params(trial.proposed.sampled)
