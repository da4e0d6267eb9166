"""The trials that a searcher remembers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import moocore
import numpy as np

from search.config.schema import ObjectiveConfig
from search.record.events import Params, Scalar
from search.searchers.base import TrialOutcome
from search.searchers.lessons import lesson_of_outcome

CAPACITY = 1000
_BEST_SHARE = 10


class KnownTrials:
    """Running trials, and finished trials: all, or the best and the newest of more than 1,000.

    The cost of a proposal grows with the trials that it rests on. So whenever there are half as many again
    as the capacity, all are forgotten but the best completed trials (a tenth of the capacity) and those that
    ended last. This depends only on the order of the outcomes, so that a searcher rebuilt from a record
    forgets the same trials.

    Args:
        objectives: As configured.
        capacity: Finished trials that are kept, at least 10.

    Attributes:
        running: Sampled values of trials that have not finished, by number.
        finished: Outcomes of finished trials that are remembered, by number, in the order of their ends.
        ended: Number of trials that have finished, forgotten ones included; cancelled ones teach nothing and
            do not count.
    """

    def __init__(self, objectives: Sequence[ObjectiveConfig], capacity: int = CAPACITY) -> None:
        self._objectives = objectives
        self._capacity = capacity
        self._sampled: dict[int, Params] = {}
        self.running: dict[int, Params] = {}
        self.finished: dict[int, TrialOutcome] = {}
        self.ended = 0

    def begin(self, number: int, sampled: Mapping[str, Scalar]) -> None:
        """Remembers a trial as running."""
        self.running[number] = dict(sampled)

    def end(self, outcome: TrialOutcome) -> list[int]:
        """Remembers how a running trial ended.

        Returns:
            Numbers of the trials that were forgotten for it.

        Raises:
            KeyError: No such trial is running.
        """
        self._sampled[outcome.trial] = self.running.pop(outcome.trial)
        self.finished[outcome.trial] = outcome
        self.ended += outcome.status != "cancelled"
        return self._forget() if len(self.finished) > self._capacity * 3 // 2 else []

    def sampled(self, number: int) -> Params:
        """Values of a finished trial."""
        return self._sampled[number]

    def _forget(self) -> list[int]:
        best = set(self._best(self._capacity // _BEST_SHARE))
        newest = [number for number in self.finished if number not in best]
        forgotten = newest[: len(newest) - (self._capacity - len(best))]
        for number in forgotten:
            del self.finished[number], self._sampled[number]
        return forgotten

    def _best(self, count: int) -> Iterator[int]:
        """The best completed trials: constraints first, then by fronts."""
        lessons = {
            number: lesson_of_outcome(self._objectives, outcome) for number, outcome in self.finished.items()
        }
        signs = [objective.sign for objective in self._objectives]
        completed = [(number, lesson) for number, lesson in lessons.items() if lesson.values is not None]
        if not completed:
            return
        costs = np.array([lesson.values for _, lesson in completed], dtype=np.float64) * signs
        fronts = moocore.pareto_rank(costs) if costs.shape[1] > 1 else costs[:, 0]
        order = sorted(
            range(len(completed)), key=lambda index: (max(0.0, completed[index][1].missed), fronts[index])
        )
        yield from (completed[index][0] for index in order[:count])
