"""What every searcher offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from search.config import choices
from search.config.choices import Choice
from search.config.schema import SearchConfig
from search.record.events import Origin, Params, Scalar, TrialStatus, WarmStarted
from search.space import SearchSpace
from trainables.registry import Registry


@dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Attributes:
        sampled: Values of the space's active sampled parameters.
        origin: "listed" for a point that the space lists, "warm_start" for one that an earlier search
            found, "prior" for one that published runs suggest, else "searcher".
    """

    sampled: Params
    origin: Literal["searcher", "listed", "warm_start", "prior"] = "searcher"


@dataclass(frozen=True)
class TrialOutcome:
    """What a searcher learns of a finished trial.

    Attributes:
        trial: Number of the trial.
        status: How it ended; only a "completed" trial reached the full budget.
        rungs: Objective values at each rung up to the last that it was measured at, the first rung first; in
            the configured order and in the metrics' own units, NaN where one was not measured.
    """

    trial: int
    status: TrialStatus
    rungs: tuple[tuple[float, ...], ...] = ()

    @property
    def values(self) -> tuple[float, ...] | None:
        """Objective values at the full budget; None where the trial did not get there."""
        return self.rungs[-1] if self.status == "completed" and self.rungs else None


def point_key(sampled: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    """The same for the same point, whatever the order of its parameters; 1, 1.0 and True differ."""
    return tuple(sorted((name, repr(value)) for name, value in sampled.items()))


class Searcher(Protocol):
    """Proposes trials.

    A proposal is a function of the configuration, the trial's number, and the proposals and outcomes
    known so far; no generator's state passes from one to the next. So a searcher that is rebuilt from a
    record, by `begin`, `replay` and `observe`, continues as the searcher that wrote it.
    """

    def begin(self, event: WarmStarted) -> None:
        """Takes over the trials of an earlier search; before the first proposal."""
        ...

    def propose(self, number: int) -> Proposal | None:
        """The trial with this number; None where nothing is left to propose.

        Args:
            number: Ascending, each once; numbers of repetitions are skipped.

        Raises:
            ExpressionError: A condition of the space cannot be computed for the values drawn.
        """
        ...

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Takes over a proposal made earlier, as if `propose(number)` had just returned it.

        Args:
            number: The trial's.
            sampled: Its point.
            origin: Where it came from; a clone is of no searcher, which learns from it all the same.
        """
        ...

    def observe(self, outcome: TrialOutcome) -> None:
        """Learns how a trial ended, once.

        Raises:
            KeyError: No such trial runs, and the searcher learns.
        """
        ...


SearcherFactory: TypeAlias = Callable[[SearchConfig, SearchSpace], Searcher]
F = TypeVar("F", bound=SearcherFactory)


@dataclass(frozen=True)
class SearcherSpec:
    """A registered searcher.

    Attributes:
        make: Builds it.
        startup: Of its options the number of trials that must have finished before proposals depend on
            results; None where they never do.
        finite: Whether it may run out of proposals.
    """

    make: SearcherFactory
    startup: Callable[[Any], int] | None = None
    finite: bool = False

    @property
    def learns(self) -> bool:
        """Whether what it proposes depends on results.

        Proposals made at the same time cannot then learn from one another.
        """
        return self.startup is not None


SEARCHERS: Registry[SearcherSpec] = Registry("searcher")


def startup(chosen: Choice) -> int:
    """Number of trials that must have finished before proposals depend on results; 0 where they never do."""
    count = SEARCHERS[chosen.name].startup
    return 0 if count is None else count(chosen)


def register(
    name: str,
    line: str,
    *,
    options: type[Choice] = Choice,
    startup: Callable[[Any], int] | None = None,
    finite: bool = False,
) -> Callable[[F], F]:
    """Registers the decorated searcher, or function that builds one.

    Args:
        name: Name used in configuration.
        line: One line for `--list`.
        options: Its options, which stand beside the name in the section `searcher`.
        startup: See `SearcherSpec`.
        finite: See `SearcherSpec`.
    """

    def decorate(make: F) -> F:
        SEARCHERS.register(name, line)(SearcherSpec(make, startup, finite))
        choices.SEARCHERS.register(name, line)(choices.choice(name, options))
        return make

    return decorate
