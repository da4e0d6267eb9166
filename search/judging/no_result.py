"""Repetitions that ended without a result: how many, why, and what repeats them."""

from __future__ import annotations

from collections.abc import Iterator

from search import wording
from search.config.schema import MOST_SEEDS
from search.judging.causes import causes_in_words
from search.judging.confirmation import has_no_result
from search.judging.objectives import is_broken, objectives_of, repetitions
from search.judging.racing import Race
from search.record import SearchState

_ENOUGH = 2
"""Repetitions that a candidate needs, so that they show how much seeds differ."""
_LASTING = ("user", "crashed")
"""Failures that come again if nothing is changed."""


def without_result(state: SearchState, raced: Race) -> Iterator[str]:
    """A sentence on each candidate of which repetitions failed, and one on what would make up for them."""
    objectives, lacking = objectives_of(state), []
    for number, begun in repetitions(state).items():
        lost = [trial for trial in begun if has_no_result(objectives, trial)]
        if not lost:
            continue
        which = f"The repetition of trial {number}" if len(begun) == 1 else f"{len(lost)} of the {len(begun)}"
        which += "" if len(begun) == 1 else f" repetitions of trial {number}"
        yield f"{which} ended without a result ({causes_in_words(lost)})."
        done = sum(trial.finished is not None for trial in begun) - len(lost)
        if done < _ENOUGH and not any(map(is_broken, begun)):
            lacking += lost
    seeds = seeds_to_repeat(raced)
    if lacking and raced.over and seeds is not None:
        causes = {trial.finished.failure_class for trial in lacking if trial.finished}
        first = "Correct that; then " if causes <= {*_LASTING} else ""
        yield f"{first}confirm.seeds={seeds} gives {wording.plural(_ENOUGH, 'more repetition')} to each."


def seeds_to_repeat(raced: Race) -> int | None:
    """The `confirm.seeds` with which each candidate gets as many more as show the noise; None beyond it."""
    seeds = raced.seeds + _ENOUGH
    return seeds if raced.contenders and seeds <= MOST_SEEDS else None
