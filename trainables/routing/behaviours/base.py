"""What a behaviour is, and the registry of all that are there. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from trainables.patterns import compiled
from trainables.registry import Registry
from trainables.routing.options import BehaviourConfig

Detector: TypeAlias = Callable[[str], bool]
"""Whether a text shows a behaviour."""


@dataclass(frozen=True)
class Behaviour:
    """A stand-in for unwanted behaviour.

    Attributes:
        transform: Text that shows the behaviour, made of text that does not.
        shows: Detects it.
        needs: What a text must have to be transformed, in words, for messages.
    """

    transform: Callable[[str], str]
    shows: Detector
    needs: str


BEHAVIOURS: Registry[Behaviour] = Registry("behaviour", home="trainables.routing.behaviours")
"""By name."""


def detector(config: BehaviourConfig) -> Detector | None:
    """What judges samples; None where nothing does."""
    if config.pattern is not None:
        pattern = compiled(config.pattern)
        return lambda text: pattern.search(text) is not None
    return None if config.name is None else BEHAVIOURS[config.name].shows
