"""What a search has cost, as a whole and by phase, and what stopping early has saved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from search.judging.objectives import search_trials
from search.judging.rungs import full_steps
from search.judging.spending import spending
from search.record import SearchState, TrialState
from search.schedulers import SCHEDULERS

ENDED_EARLY = ("stopped", "diverged")


@dataclass(frozen=True)
class Phase:
    """What one phase took.

    Attributes:
        trials: Trials, repetitions or baselines.
        steps: Optimizer steps up to the last rung of each.
        seconds: Training and evaluation on a worker group; shares of trials that trained together add up.
        device_hours: The same times the devices of a group; 0 where devices were not recorded.
        cost: Its share of the money that was spent, by `seconds`; None without a price.
    """

    trials: int
    steps: int
    seconds: float
    device_hours: float
    cost: float | None


@dataclass(frozen=True)
class BudgetUsed:
    """Cost of a search so far.

    Attributes:
        trials: Trials proposed by the search; repetitions are not among them.
        steps_trained: Optimizer steps up to the last rung of each of these trials.
        steps_full: Optimizer steps of all of them at the full budget.
        ended_early: Those that were stopped or diverged before the full budget.
        steps_saved: Optimizer steps that those were spared.
        share_saved: `steps_saved` as a share of `steps_full`.
        device_hours_saved: `steps_saved` at the measured seconds per step, evaluation included, times the
            devices of a group; 0 where devices were not recorded.
        seconds_saved: The same without the devices.
        early_eval_seconds: Time spent in evaluating these trials before the last rung of their full budget.
        unmeasured: Rungs at which these trials were not measured (`budget.early_ratio`).
        stops: Whether the search's scheduler may stop trials.
        train_seconds: Time spent in training, added up over trials and repetitions.
        eval_seconds: Time spent in evaluating them, likewise.
        eval_share: `eval_seconds` as a share of both.
        baseline_seconds: Time spent in measuring baselines.
        wall_seconds: Time that the sessions took, from the first line of each to its last.
        sessions: Number of sessions.
        hours: The same time in hours.
        device_hours: Hours of each session times its devices; 0 where devices were not recorded.
        cost: Money that was spent; None without a price.
        phases: What each phase took: "search", "confirmation", "baselines".
    """

    trials: int
    steps_trained: int
    steps_full: int
    ended_early: int
    steps_saved: int
    share_saved: float
    device_hours_saved: float
    seconds_saved: float
    early_eval_seconds: float
    unmeasured: int
    stops: bool
    train_seconds: float
    eval_seconds: float
    eval_share: float
    baseline_seconds: float
    wall_seconds: float
    sessions: int
    hours: float
    device_hours: float
    cost: float | None
    phases: dict[str, Phase]


def budget_used(state: SearchState) -> BudgetUsed:
    """Adds up the costs recorded in a search that has begun."""
    assert state.started is not None
    trials = search_trials(state)
    reached = {trial.number: trial.last.step if trial.last else 0 for trial in trials}
    early = [trial.number for trial in trials if trial.status in ENDED_EARLY]
    train = sum(trial.train_seconds for trial in state.trials.values())
    evaluation = sum(trial.eval_seconds for trial in state.trials.values())
    used = spending(state)
    whole = {trial.number: full_steps(state, trial) for trial in trials}
    saved, full = sum(whole[number] - reached[number] for number in early), sum(whole.values())
    scheduler = state.started.config["scheduler"]["name"]
    seconds_saved = saved * state.work_seconds / max(1, state.steps)
    return BudgetUsed(
        trials=len(reached),
        steps_trained=sum(reached.values()),
        steps_full=full,
        ended_early=len(early),
        steps_saved=saved,
        share_saved=saved / full if full else 0.0,
        device_hours_saved=seconds_saved * devices_per_group(state) / 3600,
        seconds_saved=seconds_saved,
        early_eval_seconds=sum(
            rung.eval_seconds for trial in trials for rung in trial.rungs if rung.step < whole[trial.number]
        ),
        unmeasured=sum(not rung.measured for trial in trials for rung in trial.rungs),
        stops=scheduler in SCHEDULERS and SCHEDULERS[scheduler].stops,
        train_seconds=train,
        eval_seconds=evaluation,
        eval_share=evaluation / (train + evaluation) if train + evaluation > 0 else 0.0,
        baseline_seconds=sum(baseline.seconds for baseline in state.baselines.values()),
        wall_seconds=_wall_seconds(state),
        sessions=len(state.sessions),
        hours=used.hours,
        device_hours=used.device_hours,
        cost=used.cost,
        phases=phases(state, used.cost),
    )


def phases(state: SearchState, cost: float | None) -> dict[str, Phase]:
    """The phases by name: "search", "confirmation" and "baselines".

    Args:
        state: A search that has begun.
        cost: Money that was spent. What start-up and waiting took is divided among the phases as the work is.
    """
    trials = state.trials.values()
    work = {
        "search": _work(trial for trial in trials if trial.confirms is None),
        "confirmation": _work(trial for trial in trials if trial.confirms is not None),
        "baselines": (
            len(state.baselines),
            0,
            sum(baseline.seconds for baseline in state.baselines.values()),
        ),
    }
    whole = sum(seconds for _, _, seconds in work.values())
    devices = devices_per_group(state)
    return {
        name: Phase(
            count,
            steps,
            seconds,
            device_hours=seconds * devices / 3600,
            cost=None if cost is None or not whole else cost * seconds / whole,
        )
        for name, (count, steps, seconds) in work.items()
    }


def devices_per_group(state: SearchState) -> float:
    """GPUs of a worker group, or its CPU workers; 0 where it was not recorded."""
    return state.slots.devices / state.slots.groups if state.slots and state.slots.groups else 0.0


def _work(trials: Iterable[TrialState]) -> tuple[int, int, float]:
    count, steps, seconds = 0, 0, 0.0
    for trial in trials:
        count += 1
        steps += trial.last.step if trial.last else 0
        seconds += trial.train_seconds + trial.eval_seconds
    return count, steps, seconds


def _wall_seconds(state: SearchState) -> float:
    """Sum over sessions of the time from their start to the last event before the next one's start."""
    times = sorted(_times(state))
    begins = sorted(session.time for session in state.sessions)
    total = 0.0
    for begin, following in pairwise([*begins, float("inf")]):
        last = times[bisect_left(times, following) - 1]
        total += max(last - begin, 0.0)
    return total


def _times(state: SearchState) -> Iterator[float]:
    """When the recorded events happened, in no order."""
    yield from (session.time for session in state.sessions)
    if state.slots is not None:
        yield state.slots.time
    yield from (baseline.time for baseline in state.baselines.values())
    yield from (failure.time for failure in state.failures)
    for trial in state.trials.values():
        yield trial.proposed.time
        yield from (rung.time for rung in trial.rungs)
        yield from (decided.time for decided in trial.decisions.values())
        if trial.finished is not None:
            yield trial.finished.time
    yield state.last_time
