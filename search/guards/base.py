"""What every guard offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from search.config.schema import SearchConfig
from search.record import RungReached, SearchState
from trainables.registry import Registry


class Guard(Protocol):
    """Says whether what a trial measured at a rung shows that the model is broken."""

    def __call__(self, rung: RungReached, state: SearchState) -> str | None:
        """Why the trial is to be ended, in a sentence for people; None where it is sound.

        Args:
            rung: What was measured.
            state: The search, with this rung.
        """
        ...


GuardFactory: TypeAlias = Callable[[SearchConfig], Guard | None]
"""Builds the guard from the configuration; None where it is switched off or has nothing to guard."""

GUARDS: Registry[GuardFactory] = Registry("guard")
