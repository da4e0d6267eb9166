"""What each phase of a search took: the search itself, confirmation, and the baselines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from search.record import SearchState, TrialState


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
