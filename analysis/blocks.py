"""Blocks of the summary on confirmation, limits and warm start, as data that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from search.config.schema import ObjectiveConfig
from search.judging.confirmation import Candidate, Confirmation
from search.judging.constraints import constraints_of
from search.judging.held import Held, word_over_all
from search.judging.objectives import objectives_of
from search.judging.racing import race
from search.judging.spending import spending
from search.record import SearchState


def confirmation_block(state: SearchState, confirmed: Confirmation) -> dict[str, Any]:
    """The candidates with their means, which of them tie, and how many repetitions it took of how many."""
    raced, objectives = race(state), objectives_of(state)
    return {
        "begun": raced.begun,
        "budget": raced.budget,
        "over": raced.over,
        "standings": {str(each.trial): each.standing for each in raced.contenders},
        "tied": list(confirmed.tied),
        "candidates": [_candidate(objectives, candidate) for candidate in confirmed.candidates],
    }


def plain(value: Any) -> Any:
    """The same with null in place of numbers that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    return list(map(plain, value)) if isinstance(value, tuple) else value


def held_block(held: Held) -> dict[str, Any]:
    """A floor or ceiling with its word and numbers."""
    return {name: plain(value) for name, value in asdict(held).items()} | {"measured": held.measured}


def _candidate(objectives: Sequence[ObjectiveConfig], candidate: Candidate) -> dict[str, Any]:
    """A candidate with its means; its word is the worst of those on its floors and ceilings."""
    judged = constraints_of(objectives) and candidate.runs
    return {
        "trial": candidate.trial,
        "n": len(candidate.runs),
        "runs": list(candidate.runs),
        "broken": list(candidate.broken),
        "missing": candidate.missing,
        "failed": list(candidate.failed),
        "keeps": candidate.keeps,
        "word": word_over_all(objectives, candidate.estimates) if judged else None,
        "train_seconds": candidate.train_seconds,
        "means": {
            metric: plain(
                {
                    "mean": estimate.mean,
                    "error": estimate.error,
                    "freedom": estimate.freedom,
                    "low": estimate.low,
                    "high": estimate.high,
                }
            )
            for metric, estimate in candidate.estimates.items()
        },
    }


def limits_block(state: SearchState) -> dict[str, Any]:
    """What was spent of each limit that was set, and the one that ended the search."""
    used = spending(state)
    return {
        "set": {limit.name: {"limit": limit.limit, "spent": limit.spent} for limit in used.limits},
        "reached": used.ended_by,
        "price": used.price,
    }


def warm_start_block(state: SearchState) -> dict[str, Any] | None:
    """The earlier search that this one began with."""
    begun = state.warm_start
    if begun is None or state.started is None:
        return None
    configured = state.started.config.get("warm_start") or {}
    return {
        "search": configured.get("search"),
        "id": begun.search_id,
        "use": begun.use,
        "trials": len(begun.trials),
    }


@dataclass(frozen=True)
class PackingUsed:
    """Packing over all rungs of a search.

    Attributes:
        tokens: Tokens trained, without padding; 0 where none were counted.
        padding: Share of padding among all tokens of the passes; rungs count by their tokens.
        trials_per_pass: Mean number of trials in a pass; 0 where no tokens were counted.
    """

    tokens: int
    padding: float
    trials_per_pass: float


def packing_used(state: SearchState) -> PackingUsed:
    """Adds up what was recorded with the rungs; those that count no tokens are left out.

    A trial with t tokens in passes with a share p of padding stands for t / (1 - p) of their tokens, and
    one that did s steps in passes of k trials for s / k passes: a pass of k trials is recorded k times.
    """
    tokens = steps = 0
    filled = passes = 0.0
    for trial in state.trials.values():
        before = 0
        for rung in trial.rungs:
            if rung.tokens:
                tokens += rung.tokens
                filled += rung.tokens / (1 - rung.padding)
                steps += rung.step - before
                passes += (rung.step - before) / rung.pack
            before = rung.step
    return PackingUsed(
        tokens=tokens,
        padding=1 - tokens / filled if filled else 0.0,
        trials_per_pass=steps / passes if passes else 0.0,
    )
