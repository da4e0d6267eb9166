"""An Optuna study made of trials that are known already, for one question."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import ObjectiveConfig


class _KnownFirst(InMemoryStorage):
    """Answers with the known trials before its own, without copying them."""

    def __init__(self, known: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._known = list(known)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The known trials, then those asked for, in these states."""
        known = [trial for trial in self._known if states is None or trial.state in states]
        return known + super().get_all_trials(study_id, deepcopy, states)


def directions(objectives: Sequence[ObjectiveConfig]) -> list[StudyDirection]:
    """Optuna's names of the objectives' directions."""
    return [
        StudyDirection.MINIMIZE if objective.direction == "min" else StudyDirection.MAXIMIZE
        for objective in objectives
    ]


def make_study(
    objectives: Sequence[ObjectiveConfig], sampler: BaseSampler, known: Sequence[FrozenTrial]
) -> optuna.Study:
    """A study in memory that holds the known trials.

    Args:
        objectives: As configured.
        sampler: Answers when the study is asked.
        known: Trials that are not changed any more, by their numbers, which begin at 1: the study gives 0
            to the trial that is asked for.
    """
    return optuna.create_study(storage=_KnownFirst(known), directions=directions(objectives), sampler=sampler)


@contextmanager
def experimental() -> Iterator[None]:
    """For options that Optuna warns of as experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        yield
