"""What is recommended, and the words that every rule of recommendation shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.objectives import bound_of


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    Attributes:
        trial: Number of the recommended trial, or None where no trial can be recommended.
        reason: Why this one; or why none, and what to do about it.
        caveats: What is uncertain about it, one sentence each.
        nearest: Without a recommended trial: the one that came nearest to keeping the constraints.
    """

    trial: int | None
    reason: str
    caveats: tuple[str, ...] = ()
    nearest: int | None = None


def bounded(objectives: Sequence[ObjectiveConfig]) -> list[ObjectiveConfig]:
    """Those with a floor or a ceiling."""
    return [objective for objective in objectives if bound_of(objective) is not None]


def bound_name(objective: ObjectiveConfig) -> str:
    """ "floor" or "ceiling"."""
    return "floor" if objective.floor is not None else "ceiling"


def conditions(objectives: Sequence[ObjectiveConfig]) -> str:
    """The constraints as a relative clause, for example `whose retention is at least 0.95`."""
    return " and ".join(
        f"whose {objective.metric} is {'at least' if objective.floor is not None else 'at most'} "
        f"{bound_of(objective):g}"
        for objective in bounded(objectives)
    )


def constraints(objectives: Sequence[ObjectiveConfig]) -> str:
    """The constraints in symbols, for example `retention >= 0.95`."""
    return " and ".join(
        f"{objective.metric} {wording.constraint(objective)}" for objective in bounded(objectives)
    )


def superlative(objective: ObjectiveConfig) -> str:
    """ "lowest" or "highest"."""
    return "lowest" if objective.direction == "min" else "highest"
