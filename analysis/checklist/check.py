"""What every check offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from analysis.checklist.curve import Curve
from analysis.report.context import Context
from search.record import TrialState
from trainables.registry import Registry

Verdict: TypeAlias = Literal["pass", "fail", "cannot tell"]
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "cannot tell")


@dataclass(frozen=True)
class Examined:
    """A trial with the search it belongs to."""

    context: Context
    trial: TrialState

    @cached_property
    def curve(self) -> Curve:
        """Its training loss."""
        return Curve.of(self.trial)


@dataclass(frozen=True)
class Answer:
    """What a check says about one trial.

    Attributes:
        text: A sentence with the numbers that the verdict rests on.
        numbers: The same numbers by name.
    """

    verdict: Verdict
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A question that trials are asked.

    Attributes:
        needs: A metric of the trainables whose trials are asked; empty asks all.
    """

    name: str
    question: str
    answer: Callable[[Examined], Answer] = field(repr=False)
    needs: str = ""

    def asks(self, context: Context) -> bool:
        """Whether trials of a search are asked."""
        return not self.needs or any(metric.name == self.needs for metric in context.trainable.metrics)


CHECKS: Registry[Check] = Registry("check")


def check(
    name: str, question: str, needs: str = ""
) -> Callable[[Callable[[Examined], Answer]], Callable[[Examined], Answer]]:
    """Registers the decorated function, which answers the question; see `Check`."""

    def decorate(answer: Callable[[Examined], Answer]) -> Callable[[Examined], Answer]:
        CHECKS.register(name, question)(Check(name, question, answer, needs))
        return answer

    return decorate
