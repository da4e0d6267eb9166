"""How long a trial is trained: by the search's budget, or by its own parameters."""

from __future__ import annotations

from search.config.schema import BY_TRIAL, BudgetConfig
from search.record import SearchState, TrialState


def rungs_of(budget: BudgetConfig, trial: TrialState) -> tuple[int, ...]:
    """Step of each rung of a trial, ascending."""
    steps = trial.proposed.steps
    return budget.rung_steps if steps is None else budget.rungs_of(steps)


def full_steps(state: SearchState, trial: TrialState) -> int:
    """Optimizer steps of a trial's full budget; 0 where it has none, as its parameters are wrong."""
    assert state.started is not None
    if trial.proposed.steps is not None:
        return trial.proposed.steps
    steps = state.started.config["budget"]["steps"]
    return 0 if steps == BY_TRIAL else int(steps)


def place(state: SearchState, trial: TrialState) -> str:
    """Where a trial's last rung is: "step 30"; "rung 2" where each trial has its own number of steps."""
    if is_by_trial(state):
        return f"rung {len(trial.rungs)}"
    return f"step {trial.last.step if trial.last else 0:,}"


def is_by_trial(state: SearchState) -> bool:
    """Whether each trial of a recorded search has its own number of steps."""
    return state.started is not None and state.started.config["budget"]["steps"] == BY_TRIAL
