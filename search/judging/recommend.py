"""Which trial to use, and why, in words that say how sure that is."""

from __future__ import annotations

from dataclasses import replace

from search import wording
from search.judging.causes import none_completed
from search.judging.confirmation import confirmation
from search.judging.confirmed import by_repetitions
from search.judging.extending import extension
from search.judging.objectives import completed_trials, objectives_of
from search.judging.recommendation import Recommendation
from search.judging.search_runs import by_search_runs
from search.record import SearchState

__all__ = ["Recommendation", "recommend"]


def recommend(state: SearchState) -> Recommendation:
    """The best candidate by its repetitions; where nothing was repeated, the best trial by its only run.

    The search's own runs are not used where there are repetitions: candidates were chosen for them, and
    the best of many runs is lucky on average.
    """
    completed = completed_trials(state)
    if not completed:
        return Recommendation(None, none_completed(state))
    confirmed = confirmation(state)
    if confirmed is None:
        found = by_search_runs(objectives_of(state), completed, extension(state).advice)
    else:
        found = by_repetitions(state, confirmed)
    if found.trial is None or not state.unfinished:
        return found
    unfinished = f"The search has {wording.plural(len(state.unfinished), 'unfinished trial')}."
    return replace(found, caveats=(*found.caveats, unfinished))
