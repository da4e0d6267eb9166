"""Which trials are trained again before one is recommended, and with which seeds."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from analysis.objectives import completed_trials
from analysis.search_runs import ranked
from search.config.schema import SearchConfig
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


def candidates(config: SearchConfig, state: SearchState) -> list[TrialState]:
    """The best trials of the search phase, best first.

    Those that were trained to the full budget, keep every constraint by their measured values and tripped
    no guard, by the first objective; ties by those that follow, then by number.
    """
    return ranked(config.objectives, completed_trials(state))[: config.confirm.candidates]


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
