"""What extends a search that has ended: more trials, more of a limit, or nothing."""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import ValidationError

from search.config.schema import SearchConfig
from search.errors import TightropeError
from search.judging.objectives import search_trials
from search.judging.spending import Limit, spending
from search.record import SearchState
from search.searchers import SEARCHERS, make_searcher
from search.space import SearchSpace


class Extension(NamedTuple):
    """How a search is extended.

    Attributes:
        key: Setting to raise; None where its searcher has no more configurations.
        value: Twice the present one, of a limit so often that it leaves room; None where `key` is.
    """

    key: str | None
    value: float | None

    @property
    def advice(self) -> str:
        """The advice as a sentence without its full stop."""
        if self.key is None:
            return "Begin a new search with a wider space (this one has no more configurations)"
        return f"Extend the search with a larger {self.key}="


def extension(state: SearchState) -> Extension:
    """What would extend a search that has begun, once it has ended."""
    assert state.started is not None
    used = spending(state)
    if used.ended_by is not None:
        name = used.ended_by.partition(":")[0]
        limit = next(limit for limit in used.limits if f"limits.{limit.name}" == name)
        return Extension(name, _larger(limit))
    if _is_exhausted(state):
        return Extension(None, None)
    trials = state.sessions[-1].trials if state.sessions else state.started.config["trials"]
    return Extension("trials", 2 * trials)


def needed_to_repeat(state: SearchState) -> dict[str, float]:
    """The settings without which a search that has ended would begin no repetition; empty where it would.

    These are limits that are spent, made larger. So that the search itself does not go on, and repetitions
    are all that it costs, `trials` is then the number that there are.
    """
    assert state.started is not None
    used = spending(state)
    ended_by = (used.ended_by or "").partition(":")[0]
    spent = [
        limit for limit in used.limits if limit.spent >= limit.limit or ended_by == f"limits.{limit.name}"
    ]
    needed = {f"limits.{limit.name}": _larger(limit) for limit in spent}
    wanted = state.sessions[-1].trials if state.sessions else state.started.config["trials"]
    return needed | ({"trials": state.searched} if spent and state.searched < wanted else {})


def _larger(limit: Limit) -> float:
    """Twice the limit, or a higher multiple where what was spent would leave little of that."""
    value = 2 * limit.limit
    while value - limit.spent < limit.limit / 2:
        value *= 2
    return value


def extend_command(command: str, key: str, value: float) -> str:
    """The command with another value of a setting."""
    shown = str(value) if isinstance(value, int) else f"{value:g}"
    return re.sub(rf"\s+{re.escape(key)}=\S+", "", command) + f" {key}={shown}"


def _is_exhausted(state: SearchState) -> bool:
    """Whether every configuration of a finite searcher has been proposed."""
    assert state.started is not None
    try:
        config = SearchConfig.model_validate(state.started.config)
        if not SEARCHERS[config.searcher.name].finite:
            return False
        searcher = make_searcher(config, SearchSpace(config.parameters, config.fixed))
    except (ValidationError, TightropeError):
        return False  # a record of another version
    if state.warm_start is not None:
        searcher.begin(state.warm_start)
    for trial in search_trials(state):
        searcher.replay(trial.number, trial.proposed.sampled, trial.proposed.origin)
    return searcher.propose(len(state.trials)) is None
