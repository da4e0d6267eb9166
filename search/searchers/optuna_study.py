"""A searcher that asks an Optuna sampler, with a study built anew from what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config.schema import SearchConfig
from search.judging.constraints import violation_of
from search.record.events import Origin, Params, PriorTrial, Scalar, WarmStarted
from search.searchers.base import Proposal, TrialOutcome
from search.searchers.draw import draw
from search.searchers.known import CAPACITY, KnownTrials
from search.searchers.lessons import (
    BROKEN,
    Lesson,
    informative,
    lesson_of_outcome,
    lesson_of_values,
    lessons_at_rung,
    with_values,
)
from search.searchers.options import ModelOptions
from search.searchers.optuna_terms import Codec, make_study
from search.searchers.prior import PULL
from search.searchers.projection import project_lessons
from search.seeds import derived_seed
from search.space import SearchSpace

# Numbers of known trials in the study, priors first; 0 is the trial to propose.
_PRIOR = 1
_MOST_PENDING = 32  # pending trials make a proposal costlier than finished ones do
_OWN = 2**40


def key_of(number: int) -> int:
    """Number of a trial of this search in the study."""
    return _OWN + number


def is_prior(key: int) -> bool:
    """Whether a number in the study is that of an earlier search's trial."""
    return key < _OWN


class OptunaSearcher:
    """Draws at random until `startup` trials have finished, and then from an Optuna sampler.

    Each proposal makes a new study of all trials known so far, and a sampler seeded from (search seed, trial
    number). A lasting study would carry the sampler's generator and the parameters it drew for inactive
    conditions, which a record does not hold.

    Finished trials are COMPLETE with their values, or PRUNED and infeasible where they have none; see
    `search.searchers.lessons` for what each teaches. (PRUNED alone would not do: Optuna ranks such trials
    above infeasible ones. FAIL would make the sampler forget the region instead of avoiding it.) Trials that
    still run are RUNNING, which some samplers keep away from; so are those that a user has cancelled, as
    nobody knows what would have come of them.

    Trials of an earlier search (`warm_start.use=prior`) replace random start-up trials. They are left out
    once `startup` trials of this search have finished: their values come from another model or other data,
    and are not comparable with this search's values.

    Args:
        config: Objectives, seed and the searcher's options are used.
        space: The space to search.
        make_sampler: Builds the sampler from its seed and the strength that a prior still has.
        needs_values: Whether the sampler ignores trials without values, so that they get some.
        capacity: Finished trials that are remembered; see `KnownTrials`.
    """

    def __init__(
        self,
        config: SearchConfig,
        space: SearchSpace,
        make_sampler: Callable[[int, float], BaseSampler],
        *,
        needs_values: bool = False,
        capacity: int = CAPACITY,
    ) -> None:
        assert isinstance(config.searcher, ModelOptions)
        self._objectives = config.objectives
        self._options = config.searcher
        self._seed = config.seed
        self._space = space
        self._codecs = {name: Codec(parameter) for name, parameter in space.sampled.items()}
        self._make_sampler = make_sampler
        self._needs_values = needs_values
        self._known = KnownTrials(config.objectives, capacity)
        self._prior: tuple[PriorTrial, ...] = ()
        self._lessons: dict[int, Lesson] | None = None
        self._cache: dict[int, tuple[Lesson, FrozenTrial]] = {}
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    def begin(self, event: WarmStarted) -> None:
        """Begins with an earlier search's trials in place of random ones, where they are priors."""
        if event.use == "prior":
            self._prior = tuple(event.trials)

    def propose(self, number: int) -> Proposal:
        """A random point during the start-up, then the sampler's."""
        sampled = self._sample(number) if self._ready() else draw(self._space, self._seed, number)
        self.replay(number, sampled)
        return Proposal(dict(sampled))

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Remembers the trial as running."""
        self._known.begin(number, sampled)

    def observe(self, outcome: TrialOutcome) -> None:
        """Remembers how the trial ended."""
        for forgotten in self._known.end(outcome):
            self._cache.pop(key_of(forgotten), None)
        self._lessons = None

    def _ready(self) -> bool:
        return self._known.ended + len(self._prior) >= self._options.startup

    def _sample(self, number: int) -> Params:
        pending, learned = dict(self._known.running), self._learned()
        unused = [
            trial
            for trial, outcome in self._known.finished.items()
            if outcome.status == "cancelled" or (self._options.stopped == "pending" and trial not in learned)
        ]
        pending |= {trial: self._known.sampled(trial) for trial in unused[-_MOST_PENDING:]}
        pending = {trial: pending[trial] for trial in sorted(pending)[-2 * _MOST_PENDING :]}
        running = [self._running(key_of(trial), point) for trial, point in pending.items()]
        history = sorted([*self._history(), *running], key=lambda trial: trial.number)
        sampler = self._make_sampler(self._seed_of(str(number)), PULL / max(1, self._known.ended))
        return self._suggest(sampler, history)

    def _suggest(self, sampler: BaseSampler, history: list[FrozenTrial]) -> Params:
        trial = make_study(self._objectives, sampler, history).ask()
        # Where a Gaussian process has nothing left to improve, Optuna divides 0 by 0 and means it.
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._space.walk(lambda name, _: self._codecs[name].suggest(trial, name))

    def _seed_of(self, what: str) -> int:
        return derived_seed(self._seed, what) >> 32  # NumPy's generators take 32 bits.

    def _history(self) -> list[FrozenTrial]:
        """The finished trials as the study sees them: priors while they count, then those of this search."""
        prior = self._prior if self._known.ended < self._options.startup else ()
        points: dict[int, Mapping[str, Scalar]] = {}
        lessons: dict[int, Lesson] = {}
        for index, trial in enumerate(prior):
            points[_PRIOR + index] = trial.sampled
            lessons[_PRIOR + index] = (
                Lesson(None, BROKEN)
                if trial.values is None
                else lesson_of_values(self._objectives, trial.values)
            )
        for number, lesson in self._learned().items():
            points[key_of(number)] = self._known.sampled(number)
            lessons[key_of(number)] = lesson
        if self._needs_values:
            lessons = dict(zip(lessons, with_values(list(lessons.values()), self._objectives), strict=True))
        return [self._finished(number, points[number], lesson) for number, lesson in lessons.items()]

    def _learned(self) -> dict[int, Lesson]:
        """What each remembered trial teaches by now; some teach nothing."""
        if self._lessons is None:
            finished = self._known.finished.items()
            known = {trial: outcome for trial, outcome in finished if outcome.status != "cancelled"}
            outcomes = list(known.values())
            lessons = [lesson_of_outcome(self._objectives, outcome) for outcome in outcomes]
            match self._options.stopped:
                case "pending":
                    lessons = project_lessons(self._objectives, outcomes)
                    used = [self._is_final(outcome) for outcome in outcomes]
                case "rung":
                    lessons = lessons_at_rung(self._objectives, outcomes, self._options.startup)
                    used = [True] * len(outcomes)
                case "worse":
                    used = informative(self._objectives, outcomes)
                case "projected":
                    lessons = project_lessons(self._objectives, outcomes)
                    used = informative(self._objectives, outcomes)
            taught = zip(known, lessons, used, strict=True)
            self._lessons = {number: lesson for number, lesson, is_used in taught if is_used}
        return self._lessons

    def _is_final(self, outcome: TrialOutcome) -> bool:
        """Whether the searcher learns from the trial's values, and not only that its point was tried."""
        if outcome.status != "stopped" or not outcome.rungs:
            return True
        # A constraint broken early is not kept later, and the searcher has to learn it.
        return violation_of(self._objectives, outcome.rungs[-1]) > 0

    def _finished(self, key: int, sampled: Mapping[str, Scalar], lesson: Lesson) -> FrozenTrial:
        cached = self._cache.get(key)
        if cached is not None and cached[0] == lesson:
            return cached[1]
        trial = create_trial(
            state=TrialState.PRUNED if lesson.values is None else TrialState.COMPLETE,
            values=lesson.values,
            params=self._encode(sampled),
            distributions=self._distributions(sampled),
            constraints={"missed": lesson.missed},
        )
        trial.number = key
        self._cache[key] = lesson, trial
        return trial

    def _running(self, key: int, sampled: Mapping[str, Scalar]) -> FrozenTrial:
        trial = create_trial(
            state=TrialState.RUNNING,
            params=self._encode(sampled),
            distributions=self._distributions(sampled),
        )
        trial.number = key
        return trial

    def _encode(self, sampled: Mapping[str, Scalar]) -> dict[str, Any]:
        return {name: self._codecs[name].encode(value) for name, value in sampled.items()}

    def _distributions(self, sampled: Mapping[str, Scalar]) -> dict[str, BaseDistribution]:
        return {name: self._codecs[name].distribution for name in sampled}
