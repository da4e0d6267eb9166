"""What every check offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from analysis.investigate.results import Check, Fault
from analysis.investigate.study import Study
from trainables.registry import Registry

ALPHA = 0.05
"""Level of every test."""


@dataclass(frozen=True)
class Context:
    """What a check looks at.

    Attributes:
        study: The search in question.
        others: Further searches.
        faults: What is wrong with the evaluation of any of them.
    """

    study: Study
    others: tuple[Study, ...] = ()
    faults: tuple[Fault, ...] = ()


CheckFunction: TypeAlias = Callable[[Context], Check]

CHECKS: Registry[CheckFunction] = Registry("check")
"""By key, "a" to "e", in this order."""
