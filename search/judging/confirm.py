"""Which trials are trained again before one is recommended, and with which seeds."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from search.config.schema import SearchConfig
from search.judging.confirmation import confirmation
from search.judging.objectives import completed_trials, ranked
from search.record import SearchState, TrialState


@dataclass(frozen=True)
class Repeat:
    """A trial to be trained again.

    Attributes:
        trial: Number of the trial that is repeated.
        seed: Seed of the repetition, in [0, 2**31).
    """

    trial: int
    seed: int


FURTHER = 3
"""Candidates in all, as a multiple of the configured number, where none of the first holds up."""


def candidates(config: SearchConfig, state: SearchState) -> list[TrialState]:
    """The best trials of the search phase, best first.

    Those that were trained to the full budget, keep every constraint by their measured values and tripped
    no guard, by the first objective; ties by those that follow, then by number. The best of many that lie
    near a bound keep it by luck: while all candidates are ruled out by their repetitions, the next one is
    a candidate too, up to `FURTHER` times the configured number.
    """
    ordered = ranked(config.objectives, completed_trials(state))[: FURTHER * config.confirm.candidates]
    count, out = config.confirm.candidates, _ruled_out(state)
    while count < len(ordered) and all(trial.number in out for trial in ordered[:count]):
        count += 1
    return ordered[:count]


def _ruled_out(state: SearchState) -> set[int]:
    """Trials of which every repetition has ended, and that do not keep the constraints by them."""
    found = confirmation(state)
    return {one.trial for one in found.candidates if not (one.keeps or one.missing)} if found else set()


def next_repeat(config: SearchConfig, state: SearchState) -> Repeat | None:
    """The repetition to begin now, or None where all are there; every candidate's first comes first."""
    if config.confirm.candidates == 0:
        return None
    begun = Counter(trial.confirms for trial in state.trials.values() if trial.confirms is not None)
    chosen = candidates(config, state)
    for index in range(config.confirm.seeds):
        for trial in chosen:
            if begun[trial.number] <= index:
                return Repeat(trial.number, _seed(config.seed, trial.number, index))
    return None


def _seed(seed: int, trial: int, index: int) -> int:
    digest = hashlib.sha256(f"{seed}/confirm/{trial}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 2**31
