"""Which finished trials are evaluated by the metrics that only the Pareto front is measured by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from search.judging.objectives import completed_trials, is_broken
from search.judging.pareto import pareto_front
from search.judging.recommend import recommend
from search.record import SearchState, TrialState
from trainables.trainable import MetricSpec


def has_front_metrics(metrics: Iterable[MetricSpec]) -> bool:
    """Whether there is something that only trials on the front are evaluated on."""
    return any(metric.at == "front" for metric in metrics)


def on_front(state: SearchState) -> list[int]:
    """Trials to choose from: the Pareto-optimal ones that keep every constraint, and the recommended one.

    Trials that a guard ended at the full budget are left out, and dominate no other trial.

    Returns:
        Their numbers, by the first objective, best first. Where no trial keeps the constraints, all
        Pareto-optimal ones.
    """
    sound = [trial for trial in completed_trials(state) if not is_broken(trial)]
    front = pareto_front(state, sound)
    numbers = [trial.number for trial in front if trial.feasible] or [trial.number for trial in front]
    recommended = recommend(state).trial
    return numbers if recommended is None or recommended in numbers else [*numbers, recommended]


class FrontEvaluations:
    """Which trials this session still has to evaluate by the front's metrics, once the search is over.

    Args:
        wanted: Whether there is anything to evaluate.
        most_losses: How often a lost request is repeated.
    """

    def __init__(self, wanted: bool, most_losses: int) -> None:
        self._most_losses = most_losses
        self._wanted = wanted
        self._under_way: set[int] = set()
        self._given_up: set[int] = set()
        self._losses: Counter[int] = Counter()
        self._front: tuple[int, list[int]] = 0, []

    def __contains__(self, trial: int) -> bool:
        """Whether the trial is being evaluated."""
        return trial in self._under_way

    def __len__(self) -> int:
        """Number of trials that are being evaluated."""
        return len(self._under_way)

    def due(self, state: SearchState) -> int | None:
        """The next trial to evaluate; no trial may be unfinished."""
        if not self._wanted:
            return None
        if self._front[0] != len(state.trials):  # finished trials no longer change
            self._front = len(state.trials), on_front(state)
        done = self._under_way | self._given_up
        left = (state.trials[number] for number in self._front[1] if number not in done)
        return next((trial.number for trial in left if _can_be_evaluated(trial)), None)

    def begin(self, trial: int) -> None:
        """The trial's evaluation begins."""
        self._under_way.add(trial)

    def end(self, trial: int, *, measured: bool) -> None:
        """The trial was evaluated, or cannot be in this session; the next session then tries again."""
        self._under_way.discard(trial)
        if not measured:
            self._given_up.add(trial)

    def lose(self, trial: int) -> bool:
        """The request was lost. Returns whether to repeat it."""
        self._losses[trial] += 1
        if self._losses[trial] > self._most_losses:
            self.end(trial, measured=False)
        return trial in self._under_way


def _can_be_evaluated(trial: TrialState) -> bool:
    """Whether what it trained was kept, and it has not been evaluated by the front's metrics."""
    return trial.front is None and trial.last is not None and trial.last.checkpoint is not None
