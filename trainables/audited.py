"""What a trainable tells the audit of itself: neutral facts, under the names that rules know. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from trainables.messages import Scalar

Facts: TypeAlias = Mapping[str, Scalar]


@dataclass(frozen=True)
class TrialFact:
    """A fact that follows from a trial's parameters.

    Attributes:
        formula: An expression over them; `budget_steps` stands for the steps of a trial that has none of its
            own. None as its result means that it is not known.
        parameter: The parameter that sets it; None is the formula, where that is a single parameter.
    """

    formula: str
    parameter: str | None = None


@dataclass(frozen=True)
class ComputedFact:
    """A fact that a function of a trial's parameters gives, for which no formula would do.

    Attributes:
        needs: Names of the parameters.
        prepare: Makes the function of the options; what it returns takes the parameters in this order. None
            as the function, or as its result, means that it is not known.
    """

    needs: tuple[str, ...]
    prepare: Callable[[Any], Callable[..., Scalar] | None]


@dataclass(frozen=True)
class ReadFacts:
    """Facts that are the same for all trials, read together when the first of them is asked for.

    Attributes:
        keys: By name of the fact the dotted key that sets it; None where no single one does.
        read: Of options and seed; names that are left out are not known.
    """

    keys: Mapping[str, str | None]
    read: Callable[[Any, int], Facts]


@dataclass(frozen=True)
class Audited:
    """All that an audit can know of a trainable; what is left out is not known.

    Attributes:
        trial: By name of the fact.
        computed: Likewise.
        read: In groups; of a name that is in several the first that knows it counts.
    """

    trial: Mapping[str, TrialFact] = field(default_factory=dict)
    computed: Mapping[str, ComputedFact] = field(default_factory=dict)
    read: tuple[ReadFacts, ...] = ()


TRAINING: Mapping[str, TrialFact] = {
    "lr": TrialFact("lr"),
    "weight_decay": TrialFact("weight_decay"),
    "schedule": TrialFact("schedule"),
    "decay_share": TrialFact("decay"),
    "warmup_share": TrialFact("warmup if warmup < 1 else min(1, warmup / budget_steps)", "warmup"),
    "batch": TrialFact("batch_size"),
    "gradient_clip": TrialFact("clip"),
}
"""Facts that follow from `trainables.parameters.TrainingParameters`."""
