"""No early stopping."""

from __future__ import annotations

from collections.abc import Mapping

from search.config.schema import SearchConfig
from search.schedulers.base import NeverPauses, Verdict, register
from trainables.interval import Interval


@register("none", "no early stopping: every trial gets the full budget", stops=False)
class NoStopping(NeverPauses):
    """Trains every trial to the full budget."""

    def __init__(self, config: SearchConfig) -> None:
        self._budget = config.budget

    def report(
        self, trial: int, rung: int, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
    ) -> Verdict:
        """Always `continue`."""
        return Verdict("continue", "no early stopping")

    def describe(self) -> list[str]:
        """One sentence."""
        steps = "its own steps" if self._budget.by_trial else f"{self._budget.full_steps} steps"
        return [f"none: every trial is trained to the full budget of {steps}."]
