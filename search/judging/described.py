"""Settings, values and constraints of trials in words, for the recommendation."""

from __future__ import annotations

from collections.abc import Sequence

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.confirmation import SEED, Candidate
from search.judging.constraints import bound_of, constraints_of
from search.record import TrialState
from search.record.events import Scalar


def settings(trial: TrialState) -> str:
    """Every parameter, those that were searched first, and the steps; a seed only where it was searched."""
    sampled = trial.proposed.sampled
    others: dict[str, Scalar] = {
        name: value
        for name, value in trial.params.items()
        if name not in sampled and name != SEED and value is not None
    }
    parts = [wording.params(values) for values in (sampled, others) if values]
    steps = [wording.plural(trial.last.step, "step")] if trial.last else []
    return "; ".join([*parts, *steps])


def constraint_symbols(objectives: Sequence[ObjectiveConfig]) -> str:
    """The constraints in symbols, for example `retention >= 0.95`."""
    return " and ".join(
        f"{objective.metric} {wording.constraint(objective)}" for objective in constraints_of(objectives)
    )


def constraint_clause(objectives: Sequence[ObjectiveConfig], of: str) -> str:
    """The constraints as a relative clause, for example `whose mean retention is at least 0.95`.

    Args:
        objectives: As configured; without constraints the clause is empty.
        of: What is compared with the bounds: "mean" or "measured" values, which may be lucky.
    """
    return " and ".join(
        f"whose {of} {objective.metric} is {'at least' if objective.floor is not None else 'at most'} "
        f"{bound_of(objective):g}"
        for objective in constraints_of(objectives)
    )


def mean_of(objective: ObjectiveConfig, candidate: Candidate) -> str:
    """The mean over repetitions with its interval, for example `0.97 [0.95, 0.99]`."""
    estimate = candidate.estimates[objective.metric]
    around = wording.around(estimate.low, estimate.high, estimate.n)
    return wording.measured(estimate.mean, around, bound_of(objective))


def value_of(objective: ObjectiveConfig, trial: TrialState) -> str:
    """The value of a single run with its interval and the sample that it is over."""
    assert trial.last is not None
    interval = trial.last.intervals.get(objective.metric)
    text = wording.measured(trial.last.metrics[objective.metric], interval, bound_of(objective))
    return f"{text}, n={interval.n}" if interval is not None else text


def free(objectives: Sequence[ObjectiveConfig]) -> list[ObjectiveConfig]:
    """The objectives without a constraint: the others are spoken of with theirs."""
    return [objective for objective in objectives if bound_of(objective) is None]
