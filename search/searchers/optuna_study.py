"""A searcher that asks an Optuna sampler, with a study built anew from what is known."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter, IntParameter
from search.measurement import Outcome, total_violation
from search.record.events import Params, Scalar
from search.searchers.base import Proposal
from search.searchers.draw import draw
from search.space import SampledParameter, SearchSpace

_HUGE = 1e50


@dataclass
class _Known:
    sampled: Params
    outcome: Outcome | None = None


class OptunaSearcher:
    """Draws at random until `startup` trials have finished, and then asks an Optuna sampler.

    For every proposal a study is filled with all trials known so far and asked once by a sampler
    seeded from (search seed, trial number). A study that lived on would carry the sampler's generator and
    the parameters it drew for inactive conditions, which a record does not hold.

    What a trial teaches, from best to worst; the sampler's model of good points takes its share from
    the top of this order, and all others teach it what to avoid:

    1. Full budget, constraints kept: COMPLETE, compared by the objectives.
    2. Full budget, a constraint violated: COMPLETE and infeasible, by the total violation.
    3. Stopped early: PRUNED and infeasible, above every violation of 2, those stopped at an earlier
       rung more so. Values of a lower fidelity are never told. (PRUNED alone would not do: Optuna
       ranks such trials above 2, and among themselves by their number.)
    4. Diverged, infeasible, failed, or with a value that is not finite: PRUNED and infeasible, above 3.
       FAIL would make the sampler forget the region instead of avoiding it.

    Trials that still run are RUNNING, which the sampler takes as points to keep away from.

    Args:
        config: Objectives, seed and `searcher.startup` are used.
        space: The space to search.
        make_sampler: Builds the sampler from its seed.
    """

    def __init__(
        self, config: SearchConfig, space: SearchSpace, make_sampler: Callable[[int], BaseSampler]
    ) -> None:
        self._objectives = config.objectives
        self._directions = [
            StudyDirection.MINIMIZE if objective.direction == "min" else StudyDirection.MAXIMIZE
            for objective in config.objectives
        ]
        self._seed = config.seed
        self._startup = config.searcher.startup
        self._space = space
        self._codecs = {name: _Codec(parameter) for name, parameter in space.sampled.items()}
        self._make_sampler = make_sampler
        self._known: dict[int, _Known] = {}
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def propose(self, number: int) -> Proposal:
        """A random point during the start-up, then the sampler's."""
        finished = sum(known.outcome is not None for known in self._known.values())
        sampled = draw(self._space, self._seed, number) if finished < self._startup else self._ask(number)
        self.replay(number, sampled)
        return Proposal(dict(sampled))

    def replay(self, number: int, sampled: Mapping[str, Scalar]) -> None:
        """Remembers the trial as running."""
        self._known[number] = _Known(dict(sampled))

    def observe(self, outcome: Outcome) -> None:
        """Remembers how the trial ended."""
        self._known[outcome.trial].outcome = outcome

    def _ask(self, number: int) -> Params:
        digest = hashlib.sha256(f"{self._seed}/{number}".encode()).digest()
        study = optuna.create_study(
            directions=self._directions, sampler=self._make_sampler(int.from_bytes(digest[:4], "big"))
        )
        for known in self._known.values():
            study.add_trial(self._told(known))
        trial = study.ask()
        return self._space.walk(lambda name, _: self._codecs[name].suggest(trial, name))

    def _told(self, known: _Known) -> FrozenTrial:
        """The trial as the study sees it."""
        params = {name: self._codecs[name].encode(value) for name, value in known.sampled.items()}
        distributions = {name: self._codecs[name].distribution for name in known.sampled}
        if known.outcome is None:
            return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
        values, missed = self._judge(known.outcome)
        return create_trial(
            state=TrialState.PRUNED if values is None else TrialState.COMPLETE,
            values=values,
            params=params,
            distributions=distributions,
            constraints={"missed": missed},
        )

    def _judge(self, outcome: Outcome) -> tuple[list[float] | None, float]:
        """Values at the full budget or None, and how bad the trial is beside them.

        Only the order of the second matters to the sampler: 0 where all constraints are kept, up to 1 where
        some are violated at the full budget, 1 to 2 where the trial was stopped, 3 where it broke.
        """
        if outcome.status == "stopped" and outcome.values is None:
            return None, 1.0 + 1.0 / (1.0 if outcome.rung is None else 2.0 + outcome.rung)
        if outcome.status in ("completed", "stopped") and outcome.values is not None:
            violation = total_violation(self._objectives, outcome.violations)
            if math.isfinite(violation) and all(map(math.isfinite, outcome.values)):
                # Products of larger numbers overflow where the sampler computes hypervolumes.
                values = [min(max(float(value), -_HUGE), _HUGE) for value in outcome.values]
                return values, violation / (1.0 + violation)
        return None, 3.0


class _Codec:
    """A parameter's Optuna distribution, and its values there and back."""

    def __init__(self, parameter: SampledParameter) -> None:
        self._choices: tuple[Scalar, ...] | None = None
        self.distribution: BaseDistribution
        if isinstance(parameter, CategoricalParameter):
            # Optuna compares choices with ==, under which 1, 1.0 and True are the same; so it gets indices.
            self._choices = parameter.choices
            self.distribution = CategoricalDistribution(tuple(range(len(parameter.choices))))
        elif isinstance(parameter, IntParameter):
            high = parameter.high - (parameter.high - parameter.low) % parameter.step
            self.distribution = IntDistribution(parameter.low, high, step=parameter.step)
        else:
            self.distribution = FloatDistribution(
                parameter.low, parameter.high, log=parameter.type == "log-float"
            )

    def encode(self, value: Scalar) -> Scalar:
        if self._choices is None:
            return value
        return [repr(choice) for choice in self._choices].index(repr(value))

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        match self.distribution:
            case FloatDistribution(low=low, high=high, log=log):
                return trial.suggest_float(name, low, high, log=log)
            case IntDistribution(low=low, high=high, step=step):
                return trial.suggest_int(name, low, high, step=step)
        choices = self._choices or ()
        return choices[trial.suggest_categorical(name, range(len(choices)))]


def tpe_sampler(seed: int) -> TPESampler:
    """TPE that models the parameters jointly, per group of conditions, and keeps off running trials."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Argument ``group``", category=ExperimentalWarning)
        # The random start-up is the searcher's own.
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=0)
