"""Schema of the schedulers' own options, one section per scheduler."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from trainables.settings import Section


class NoneConfig(Section):
    """No early stopping."""

    name: Literal["none"]


class AshaConfig(Section):
    """Successive halving by the first objective."""

    name: Literal["asha"]


class MoashaConfig(Section):
    """Successive halving by all objectives.

    Attributes:
        share: How many continue at a rung: "fixed", the best 1/eta; or "learned", from 1/eta where rungs have
            proved to predict the order at the full budget to nearly all where they have not.
        variant: "stopping": a trial continues at once or is stopped; "promotion": it is paused, and continues
            from its rung's adapter once it is among the best of its rung.
        brackets: Number of brackets; trials of bracket b are first ranked at rung b, and only with others
            of their bracket.
        spread: Order within a front: "crowding" distance (NSGA-II), or "hypervolume" contribution.
    """

    name: Literal["moasha"] = "moasha"
    share: Literal["fixed", "learned"] = "learned"
    variant: Literal["stopping", "promotion"] = "stopping"
    brackets: Annotated[int, Field(ge=1, le=10)] = 1
    spread: Literal["crowding", "hypervolume"] = "crowding"


SchedulerConfig: TypeAlias = Annotated[NoneConfig | AshaConfig | MoashaConfig, Field(discriminator="name")]
"""Who decides at rungs, by name, with that scheduler's options."""
