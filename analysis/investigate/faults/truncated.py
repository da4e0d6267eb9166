"""Trials that count as trained and are not, and trials that crashed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from analysis.investigate.faults.base import DATA, DETECTORS, at_one_level
from analysis.investigate.results import Fault
from analysis.investigate.study import Study
from analysis.investigate.words import cases, listed
from search import wording

KIND = "truncated runs"


@DATA.register(KIND, "numbers of steps")
def can_look_for_ends(study: Study) -> bool:
    """With the steps that trials did, and the budget."""
    return bool(study.budget) and any(case.last.step is not None for case in study.cases)


@DETECTORS.register(KIND, "completed trials with fewer steps than the budget, and crashed trials")
def truncated_runs(study: Study) -> list[Fault]:
    """Completed with fewer steps than the budget, or failed after an evaluation.

    Trials stopped by the scheduler or a guard are neither.
    """
    return [*_short(study), *_crashed(study)]


def _short(study: Study) -> Iterator[Fault]:
    short = {
        case.label: case.last.step
        for case in study.cases
        if study.budget
        and case.last.step is not None
        and ((case.ended == "completed" and case.last.step < study.budget) or case.ended == "failed")
    }
    if short:
        labels = tuple(short)
        steps = f"{min(short.values())} to {max(short.values())} of {study.budget} steps"
        yield Fault(
            KIND,
            study.name,
            labels,
            certain=True,
            sentence=f"{cases(len(short))} ended early with {steps} but count as results: "
            f"{listed(labels)}{at_one_level(study, labels)}.",
            fix="Train them to the end, or leave them out.",
        )


def _crashed(study: Study) -> Iterator[Fault]:
    crashed = Counter(x for status, x in study.unmeasured if status == "failed")
    if crashed:
        total = sum(crashed.values())
        x, most = crashed.most_common(1)[0]
        yield Fault(
            KIND,
            study.name,
            (),
            certain=False,
            sentence=f"{cases(total)} crashed before any evaluation, {most} of them at {study.parameter} "
            f"{wording.scalar(x)}, so they have no results.",
            fix="Run them again.",
        )
