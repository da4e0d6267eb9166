"""How a finished search is recorded to have ended: what is recommended, and what was shown."""

from __future__ import annotations

from search.judging.confirmation import confirmation
from search.judging.hypotheses import judged
from search.judging.recommend import recommend
from search.record import SearchEnded, SearchState
from search.record.events import JudgedMean


def conclusion(state: SearchState) -> SearchEnded:
    """The last event of a search in which every trial is done."""
    choice, confirmed = recommend(state), confirmation(state)
    return SearchEnded(
        reason="finished",
        recommended=choice.trial,
        constraints={} if choice.trial is None else {each.metric: each.word for each in choice.constraints},
        confirmed={}
        if confirmed is None
        else {
            candidate.trial: {
                metric: JudgedMean(mean=each.mean, n=each.n, low=each.low, high=each.high)
                for metric, each in candidate.estimates.items()
            }
            for candidate in confirmed.candidates
            if candidate.runs
        },
        hypotheses=judged(state),
    )
