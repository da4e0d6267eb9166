"""Knowledge or format: did the model forget the answer, or only how to give it?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.answers import Answers
from analysis.investigate.change import unpaired_change
from analysis.investigate.checks.grid import breaking_end
from analysis.investigate.results import Finding, Lost, Statistic
from analysis.investigate.study import Measured, Share, Study
from analysis.investigate.words import listed, points, points_interval
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval, Z

_Value = Callable[[Answers], NDArray[np.float64]]


@dataclass(frozen=True)
class _Shift:
    """A mean change from the base model, with the bounds of its 95% interval."""

    value: float
    low: float
    high: float
    n: int
    paired: bool

    def __str__(self) -> str:
        return f"{points(self.value)} {points_interval(Interval(self.low, self.high, self.n))}"


def knowledge_or_format(study: Study) -> Finding:
    """What was lost at the breaking end of the parameter, over multiple-choice items scored in both ways.

    Format: generation lost more than likelihood, whose fall is surely less than half as large. Knowledge:
    likelihood fell, and generation no further. Both: likelihood fell, and generation further, or surely more
    replies could not be read.
    """
    end = breaking_end(study)
    base = study.base
    if end is None or base is None:
        return Finding("not applicable", "There is no base model, or capability is not lower at either end.")
    tuned = [case.last for case in end.cases]
    skills = [skill for skill in _both(base) if all(_comparable(base, model, skill) for model in tuned)]
    generation, likelihood, gap, unread = _shifts(base, tuned, skills)
    where = f"At {study.parameter} {end.label}{_on(skills or _measured_both_ways(base))}"
    if generation is None or likelihood is None or gap is None:
        sentence = "Questions were not scored both by generation and by likelihood of the options."
        return Finding("not applicable", sentence)
    lost = what_was_lost(generation, likelihood, gap, unread) or "undecided"
    parts = {"by generation": generation, "by likelihood": likelihood}
    if unread is not None:
        parts["not read (unparseable or leaking)"] = unread
    changes = ", ".join(f"{name} {shift}" for name, shift in parts.items())
    sentence = f"{where}, change from the base model: {changes}. {_MEANING[lost]}"
    if (flat := at_chance(study)) is not None and lost not in ("knowledge", "both"):
        lost = "undecided" if lost == "format" else lost
        sentence = f"{where}, change from the base model: {changes}. {flat}"
    statistics = tuple(
        Statistic(
            f"change {name}",
            shift.value,
            "mean over trials, then over items, paired with the base model"
            if shift.paired
            else "difference of shares, unpaired",
            shift.low,
            shift.high,
            n=shift.n,
        )
        for name, shift in parts.items()
    )
    return Finding(lost, sentence, statistics)


_MEANING: dict[Lost, str] = {
    "format": "The format was lost and the knowledge kept: the model still prefers the right option, but "
    "its answers no longer parse as right.",
    "knowledge": "Knowledge was lost: the right option itself has become less likely.",
    "both": "Both were lost: the right option has become less likely, and right answers by generation fell "
    "further or could no longer be parsed.",
    "neither": "Neither fell significantly.",
    "undecided": "The sample is too small to show whether knowledge, format or both were lost.",
}


class Change(Protocol):
    """A mean change from the base model, with the bounds of its 95% interval."""

    @property
    def value(self) -> float:
        """The mean."""
        ...

    @property
    def low(self) -> float | None:
        """Lower bound; None where there is no interval."""
        ...

    @property
    def high(self) -> float | None:
        """Upper bound, likewise."""
        ...


def what_was_lost(generation: Change, likelihood: Change, gap: Change, unread: Change | None) -> Lost | None:
    """The rule of `knowledge_or_format`; None where a change has no interval.

    Args:
        generation: Change of accuracy by generation.
        likelihood: The same by likelihood.
        gap: The first less the second.
        unread: Change of the share of replies that could not be read; None where that is not known.
    """
    if generation.high is None or likelihood.low is None or likelihood.high is None or gap.high is None:
        return None
    if likelihood.high < 0:
        # Where the base model is near chance, generation has no room to fall further.
        format_too = unread is not None and (unread.low or 0.0) > 0 and generation.high < 0
        return "both" if gap.high < 0 or format_too else "knowledge"
    if generation.high >= 0:
        return "neither"
    return "format" if gap.high < 0 and likelihood.low > generation.value / 2 else "undecided"


def at_chance(study: Study) -> str | None:
    """A sentence where the base model itself is no better by likelihood than a guesser; else None."""
    assert study.base is not None
    share = study.base.shares.get("likelihood")
    chances = [chance for skill in _both(study.base) if (chance := chance_of(study, skill)) is not None]
    chance = sum(chances) / len(chances) if chances else study.chance
    if share is None or not share.n or chance is None:
        return None
    interval = wilson(round(share.value * share.n), share.n)
    if interval.low > chance:
        return None
    return (
        "By likelihood, the base model itself is no better than random guessing, so it has no measurable "
        "knowledge to lose."
    )


def chance_of(study: Study, skill: str) -> float | None:
    """Share of right answers of a guesser, from the options that were scored; else the study's own."""
    answers = study.base.answers.get((skill, "likelihood")) if study.base else None
    if answers is None or not len(answers.options) or int(answers.options.min()) < 1:
        return study.chance
    return float((1 / answers.options).mean())


def _shifts(
    base: Measured, tuned: Sequence[Measured], skills: Sequence[str]
) -> tuple[_Shift | None, _Shift | None, _Shift | None, _Shift | None]:
    """Changes by generation, by likelihood, of the first beyond the second, and of what was not read."""
    if not skills:
        return _from_shares(base, tuned)
    generation = _deltas(base, tuned, skills, "generation", lambda answers: answers.right.astype(np.float64))
    likelihood = _deltas(base, tuned, skills, "likelihood", lambda answers: answers.right.astype(np.float64))
    unread = _deltas(base, tuned, skills, "generation", lambda answers: 1 - answers.read.astype(np.float64))
    gap = [generated - other for generated, other in zip(generation, likelihood, strict=True)]
    return _shift(generation), _shift(likelihood), _shift(gap), _shift(unread)


def _on(skills: Sequence[str]) -> str:
    """The skills that are spoken of, as a clause, for example ` on facts and dates`."""
    return f" on {listed(skills)}" if skills else ""


def _measured_both_ways(measured: Measured) -> list[str]:
    """Skills with shares scored both ways, by the names of their metrics."""
    names = [name.removesuffix("_likelihood") for name in measured.metrics if name.endswith("_likelihood")]
    return sorted(name for name in names if f"{name}_generation" in measured.metrics)


def _both(measured: Measured) -> list[str]:
    """Skills with items scored in both ways."""
    ways = measured.answers
    return [skill for skill, scoring in ways if scoring == "likelihood" and (skill, "generation") in ways]


def _comparable(base: Measured, tuned: Measured, skill: str) -> bool:
    keys = ((skill, "generation"), (skill, "likelihood"))
    return all(key in tuned.answers and tuned.answers[key].same_items(base.answers[key]) for key in keys)


def _deltas(
    base: Measured, tuned: Sequence[Measured], skills: Sequence[str], scoring: str, value: _Value
) -> list[NDArray[np.float64]]:
    """Of each skill the change of each item, mean over the tuned models, shape (items,)."""
    return [
        np.mean([value(model.answers[skill, scoring]) for model in tuned], axis=0)
        - value(base.answers[skill, scoring])
        for skill in skills
    ]


def _shift(deltas: Sequence[NDArray[np.float64]]) -> _Shift:
    """Mean over skills of the mean change, items being the independent units (normal interval)."""
    count = len(deltas)
    mean = float(np.mean([delta.mean() for delta in deltas]))
    # One item more that changed by 1, so that no change at all is not taken for sure.
    variance = sum(
        (float(((delta - delta.mean()) ** 2).sum()) + 1) / max(1, len(delta)) ** 2 for delta in deltas
    )
    half = Z * math.sqrt(variance) / count
    return _Shift(mean, mean - half, mean + half, sum(map(len, deltas)), paired=True)


def _from_shares(
    base: Measured, tuned: Sequence[Measured]
) -> tuple[_Shift | None, _Shift | None, _Shift | None, _Shift | None]:
    generation, likelihood = (_of_shares(base, tuned, way) for way in ("generation", "likelihood"))
    gap = None
    if generation is not None and likelihood is not None:
        gap_value = generation.value - likelihood.value
        half = math.hypot(generation.high - generation.low, likelihood.high - likelihood.low) / 2
        gap = _Shift(gap_value, gap_value - half, gap_value + half, generation.n, paired=False)
    return generation, likelihood, gap, _of_shares(base, tuned, "unread")


def _of_shares(base: Measured, tuned: Sequence[Measured], way: str) -> _Shift | None:
    shares = [model.shares[way] for model in tuned if way in model.shares]
    if not shares or way not in base.shares:
        return None
    mean = Share(sum(share.value for share in shares) / len(shares), shares[0].n)
    change = unpaired_change(base.shares[way], mean)
    if change is None:
        return None
    low, high = change.interval.low, change.interval.high
    return _Shift(change.value, low, high, change.interval.n, paired=False)
