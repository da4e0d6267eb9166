"""All checks of one trial, and how often each verdict came over all trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import analysis.checklist.checks  # noqa: F401  registers them
from analysis.checklist.check import CHECKS, VERDICTS, Answer, Examined, Verdict
from analysis.report.context import Context
from search.record import TrialState


@dataclass(frozen=True)
class Checklist:
    """The answers about one trial, by name of the check."""

    trial: int
    answers: Mapping[str, Answer]

    @property
    def failed(self) -> list[str]:
        """Names of the checks that it failed."""
        return [name for name, answer in self.answers.items() if answer.verdict == "fail"]

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "trial": self.trial,
            "checks": {name: asdict(answer) for name, answer in self.answers.items()},
        }


def examine(context: Context, trial: TrialState) -> Checklist:
    """Asks every check that is meant for it about a trial."""
    examined = Examined(context, trial)
    asked = [name for name in CHECKS if CHECKS[name].asks(context)]
    return Checklist(trial.number, {name: CHECKS[name].answer(examined) for name in asked})


def count(checklists: Iterable[Checklist]) -> dict[str, dict[Verdict, int]]:
    """Number of trials by verdict, by name of the checks that they were asked."""
    counts: dict[str, dict[Verdict, int]] = {}
    for checklist in checklists:
        for name, answer in checklist.answers.items():
            counts.setdefault(name, dict.fromkeys(VERDICTS, 0))[answer.verdict] += 1
    return counts
