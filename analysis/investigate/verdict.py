"""The verdict: real, artifact or undecided, and never more than the evidence bears."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.investigate.checks.base import ALPHA, CHECKS, Context
from analysis.investigate.faults.base import changes
from analysis.investigate.levels import bins
from analysis.investigate.results import Check, Fault, Verdict
from analysis.investigate.study import Study
from analysis.investigate.words import cases, listed, percent, points
from search.judging.grades import KEEPS

EXPLAINED = 0.5
"""Where noise cannot be judged, a fault explains a fall of which at most this share is left without it."""


@dataclass(frozen=True)
class Decision:
    """A verdict with its headline and its reasons, the weightiest first."""

    verdict: Verdict
    headline: str
    reasons: tuple[str, ...]


def decide(study: Study, checks: Mapping[str, Check], faults: Sequence[Fault]) -> Decision:
    """The verdict on a search.

    Real: check a passes, and b or c, and no fault or suspicion explains it: with the trials concerned left
    out, or the study repaired, the same holds, and a level is left that has lost more than 5% of the
    capability. Artifact: there is a fall, a certain fault, and without that no effect, and no trial that is
    surely below the base model. Undecided: all else.

    Args:
        study: The search.
        checks: Checks a to d over it, by key.
        faults: Of this search.
    """
    seen = shows(checks)
    fall = fall_of(study)
    certain = [fault for fault in faults if fault.certain and (fault.cases or fault.whole)]
    suspected = [fault for fault in faults if not fault.certain and (fault.cases or fault.whole)]
    if certain:
        sound = _without(study, certain)
        if sound is None or not _still_shows(sound):
            return _explained(study, seen, fall, sound, certain)
        study = sound
    elif not seen:
        return _not_shown(study, checks)
    if suspected:
        left = _without(study, suspected)
        if left is None or not _still_shows(left):
            reasons = tuple(fault.sentence for fault in suspected)
            return Decision("undecided", _HEADLINES["suspected"], reasons)
    return _real(study, checks, certain, suspected)


def shows(checks: Mapping[str, Check]) -> bool:
    """Whether check a passes, and check b or c."""
    return checks["a"].outcome == "pass" and "pass" in (checks["b"].outcome, checks["c"].outcome)


def fall_of(study: Study) -> float:
    """By how much the worst level's mean capability lies below the base model's, at least 0.

    Without a base model, below the best level's.
    """
    means = [mean for level in bins(study) if not math.isnan(mean := level.mean("capability"))]
    if not means:
        return 0.0
    above = max(means) if study.base is None else study.base.capability
    return max(0.0, above - min(means))


_HEADLINES = {
    "real": "The loss of capability is real: {size}.",
    "artifact": "The loss of capability is an artifact of the evaluation: {kinds}.",
    "none": "Undecided: no significant loss of capability is shown.",
    "some": "Undecided: some trials have lost capability, but {parameter} is not shown to be the cause.",
    "suspected": "Undecided: a fault of the evaluation cannot be ruled out.",
    "faulty": "Undecided: the evaluation is at fault ({kinds}), but that does not explain the whole fall.",
    "no fall": "Undecided: the evaluation is at fault ({kinds}), and no loss of capability is shown.",
}


def _explained(
    study: Study, seen: bool, fall: float, sound: Study | None, certain: Sequence[Fault]
) -> Decision:
    kinds = ", ".join(dict.fromkeys(fault.kind for fault in certain))
    evidence = tuple(f"{fault.sentence} {fault.fix}" for fault in certain)
    if not (seen or _blamed_fall(study, certain)):
        return Decision("undecided", _HEADLINES["no fall"].format(kinds=kinds), evidence)
    if sound is not None and sound.cases and _something_left(sound, fall):
        reason = (
            f"Without it, a fall of {points(-fall_of(sound))} remains, of {points(-fall)}; "
            f"{study.parameter} is not shown to be its cause."
        )
        return Decision("undecided", _HEADLINES["faulty"].format(kinds=kinds), (*evidence, reason))
    if sound is None or not sound.cases:
        after = "Without it, no data remain that could show a loss."
    else:
        after = f"Without it, {cases(len(sound.cases))} remain, and they show no loss of capability."
        gone = {case.x for case in study.cases} - {case.x for case in sound.cases}
        if gone:
            after += (
                f" No sound trial remains at {len(gone)} of the values of {study.parameter}: run them again."
            )
    return Decision("artifact", _HEADLINES["artifact"].format(kinds=kinds), (*evidence, after))


def _something_left(sound: Study, fall: float) -> bool:
    """Whether a sound case lies below the base model beyond noise.

    Where the noise of the items is not known: whether more than half of the fall is left.
    """
    changed = changes(sound)
    if not changed:
        return fall_of(sound) > EXPLAINED * fall
    return any(change.value < 0 and p < ALPHA for change, p in changed.values())


def _blamed_fall(study: Study, faults: Sequence[Fault]) -> bool:
    """Whether a case that a fault makes unusable, or any of a study at fault as a whole, has fallen."""
    blamed = {label for fault in faults for label in fault.cases}
    if any(fault.whole for fault in faults):
        blamed = {case.label for case in study.cases}
    changed = changes(study)
    if changed:
        return any(change.value < 0 and p < ALPHA for k, (change, p) in changed.items() if k in blamed)
    base = study.base
    return base is not None and any(
        case.label in blamed and case.last.capability < base.capability for case in study.cases
    )


def _without(study: Study, faults: Sequence[Fault]) -> Study | None:
    """The study without faulty trials, and repaired where it is at fault as a whole; None if it cannot be."""
    for fault in faults:
        if fault.whole:
            if fault.repaired is None:
                return None
            study = fault.repaired
    return study.without({label for fault in faults for label in fault.cases})


def _still_shows(study: Study) -> bool:
    """Whether what is left shows an effect, and one that is more than a trace."""
    above = study.base.capability if study.base is not None else 1.0
    return fall_of(study) > (1 - KEEPS) * above and shows(_again(study))


def _again(study: Study) -> dict[str, Check]:
    context = Context(study)
    return {key: CHECKS[key](context) for key in ("a", "b", "c")}


def _real(
    study: Study, checks: Mapping[str, Check], certain: Sequence[Fault], suspected: Sequence[Fault]
) -> Decision:
    reasons = [checks[key].sentence for key in "abcd" if key in checks and checks[key].outcome == "pass"]
    for fault in (*certain, *suspected):
        what = "repaired" if fault.whole else f"{cases(len(fault.cases))} left out"
        reasons.append(f"It also holds without the fault ({fault.kind}, {what}).")
    if checks["d"].outcome == "fail":
        reasons.append(f"It is not confirmed on a second search: {checks['d'].sentence}")
    return Decision("real", _HEADLINES["real"].format(size=_size(study)), tuple(reasons))


def _size(study: Study) -> str:
    """The worst level and what it has lost."""
    levels = [level for level in bins(study) if not math.isnan(level.mean("capability"))]
    worst = min(levels, key=lambda level: level.mean("capability"))
    mean = worst.mean("capability")
    where = f"{percent(mean)} at {study.parameter} {worst.label}"
    if study.base is None:
        return where
    return f"from {percent(study.base.capability)} for the base model to {where}"


def _missing(checks: Mapping[str, Check]) -> str:
    failing = [f"({key}) {checks[key].sentence}" for key in "abc" if checks[key].outcome != "pass"]
    return "What is missing: " + " ".join(failing)


def _not_shown(study: Study, checks: Mapping[str, Check]) -> Decision:
    """Where no effect of the parameter is shown: what is missing, and what the items of single trials say."""
    headline, reasons = _HEADLINES["none"], [_missing(checks)]
    by_case = changes(study)
    fallen = [label for label, (change, p) in by_case.items() if change.value < 0 and p < ALPHA]
    if fallen:
        headline = _HEADLINES["some"].format(parameter=study.parameter)
        verb = "is" if len(fallen) == 1 else "are"
        below = f"{cases(len(fallen))} {verb} below the base model beyond the noise of the items"
        reasons.append(f"{below}: {listed(fallen)}.")
    elif by_case:
        worst = min((change for change, _ in by_case.values()), key=lambda change: change.interval.low)
        fall = max(0.0, -worst.interval.low)
        reasons.append(f"No trial falls by more than {100 * fall:.1f} points (95% interval).")
    return Decision("undecided", headline, tuple(reasons))
