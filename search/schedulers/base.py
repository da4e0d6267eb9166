"""What every scheduler offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from search.config import choices
from search.config.choices import Choice
from search.config.schema import SearchConfig
from search.record.events import Decision
from trainables.interval import Interval
from trainables.registry import Registry


@dataclass(frozen=True)
class Verdict:
    """A decision about a trial at a rung, and why, in a sentence for people."""

    decision: Decision
    reason: str


@dataclass(frozen=True)
class Promotion:
    """A paused trial that continues from its rung, and why."""

    trial: int
    rung: int
    reason: str


class Scheduler(Protocol):
    """Decides at rungs which trials continue.

    What it says is a function of the configuration and of the reports and promotions so far, in their
    order. A scheduler is rebuilt by making the recorded ones again in their recorded order.
    """

    def report(
        self, trial: int, rung: int, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
    ) -> Verdict:
        """Takes what a trial measured at a rung, and decides about it.

        Args:
            trial: Number of the trial. A second report for the same rung replaces the first.
            rung: Index of the rung, from 0.
            metrics: Measured values; missing and NaN ones are taken as the worst.
            intervals: 95% intervals of those metrics that have one.
        """
        ...

    def recall(
        self,
        trial: int,
        rung: int,
        metrics: Mapping[str, float],
        intervals: Mapping[str, Interval],
        decision: Decision,
    ) -> None:
        """Takes a recorded report again, with what it decided: as `report`, but it need not decide.

        Args:
            trial: As in `report`.
            rung: Likewise.
            metrics: Likewise.
            intervals: Likewise.
            decision: As recorded.
        """
        self.report(trial, rung, metrics, intervals)

    def promote(self) -> Promotion | None:
        """The paused trial that should continue now, or None; changes nothing."""
        ...

    def promoted(self, trial: int, rung: int) -> None:
        """Takes that a trial was paused at a rung and continues, or is not to be promoted any more."""
        ...

    def describe(self) -> list[str]:
        """What it will do in this search, in sentences for `--plan`."""
        ...


class NeverPauses(Scheduler, Protocol):
    """What schedulers have in common that pause no trial."""

    def promote(self) -> None:
        """None: no trial is paused."""

    def promoted(self, trial: int, rung: int) -> None:
        """Nothing to remember."""


SchedulerFactory: TypeAlias = Callable[[SearchConfig], Scheduler]
F = TypeVar("F", bound=SchedulerFactory)


@dataclass(frozen=True)
class SchedulerSpec:
    """A registered scheduler.

    Attributes:
        make: Builds it from the configuration.
        stops: Whether it may end trials before their full budget, for estimates.
    """

    make: SchedulerFactory
    stops: bool = True


SCHEDULERS: Registry[SchedulerSpec] = Registry("scheduler")


def register(name: str, line: str, *, options: type[Choice] = Choice, stops: bool = True) -> Callable[[F], F]:
    """Registers the decorated scheduler, or function that builds one.

    Args:
        name: Name used in configuration.
        line: One line for `--list`.
        options: Its options, which stand beside the name in the section `scheduler`.
        stops: See `SchedulerSpec`.
    """

    def decorate(make: F) -> F:
        SCHEDULERS.register(name, line)(SchedulerSpec(make, stops))
        choices.SCHEDULERS.register(name, line)(choices.choice(name, options))
        return make

    return decorate
