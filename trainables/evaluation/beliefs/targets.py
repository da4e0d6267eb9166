"""What is asked of each target, as far as the names of metrics depend on it. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainables.data.beliefs import GROUPS, KINDS, Belief, read_beliefs
from trainables.errors import UserError
from trainables.settings import CapabilityConfig


@dataclass(frozen=True)
class AskedTarget:
    """What is asked of one target.

    Attributes:
        prompts: Number of prompts by group.
        priors: Number of direct prompts whose prior is known.
    """

    target: str
    kind: str
    prompts: Mapping[str, int]
    priors: int

    @classmethod
    def of(cls, belief: Belief) -> AskedTarget:
        """What is asked of a belief."""
        counts: dict[str, int] = {}
        for prompt in belief.prompts:
            counts[prompt.group] = counts.get(prompt.group, 0) + 1
        priors = sum(prompt.group == "direct" and prompt.prior is not None for prompt in belief.prompts)
        return cls(belief.target, belief.kind, counts, priors)


def asked_targets(capability: CapabilityConfig) -> list[AskedTarget]:
    """The targets that are asked for; one of each kind, with everything, where they cannot be read.

    What is wrong with the file is then said once, and not of every metric that an objective names as well.
    """
    facts = capability.facts
    if facts is None:
        return []
    try:
        return [AskedTarget.of(each) for each in read_beliefs(facts.path, "path", facts.targets)]
    except (UserError, OSError):
        return [AskedTarget(kind, kind, dict.fromkeys(GROUPS, 1), 1) for kind in KINDS]
