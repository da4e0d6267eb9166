"""What every guard offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from search.config import choices
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


GuardFactory: TypeAlias = Callable[[SearchConfig, Any], Guard | None]
"""Builds the guard from the configuration and its setting, which is not None; None where it has nothing to
guard in this search."""
F = TypeVar("F", bound=GuardFactory)

GUARDS: Registry[GuardFactory] = Registry("guard")


def register(name: str, line: str, *, kind: Any, default: Any, accept: str) -> Callable[[F], F]:
    """Registers the decorated function, which builds a guard.

    Args:
        name: Name of the guard, and of its setting in the section `guards`.
        line: What it looks for, in one line for `--plan`.
        kind: Type of the setting, None left out.
        default: The setting's default; None is off.
        accept: See `choices.Setting`.
    """

    def decorate(make: F) -> F:
        GUARDS.register(name, line)(make)
        choices.GUARDS.register(name, line)(choices.Setting(kind, default, accept))
        return make

    return decorate
