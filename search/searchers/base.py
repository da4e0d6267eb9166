"""What every searcher offers, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar

from search.config.schema import SearchConfig
from search.measurement import Outcome
from search.record.events import Params, Scalar
from search.space import SearchSpace
from trainables.registry import Registry


@dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Attributes:
        sampled: Values of the space's active sampled parameters.
        origin: "listed" for a point that the space lists, else "searcher".
    """

    sampled: Params
    origin: Literal["searcher", "listed"] = "searcher"


class Searcher(Protocol):
    """Proposes trials.

    A proposal is a function of the configuration, the trial's number, and the proposals and outcomes
    known so far; no generator's state is carried from one to the next. So a searcher that is rebuilt
    from a record, by `replay` and `observe`, goes on as the one that wrote it would have.
    """

    def propose(self, number: int) -> Proposal | None:
        """The trial with this number, or None where there is nothing left to propose.

        Args:
            number: Numbers count from 0, each once.

        Raises:
            ExpressionError: A condition of the space cannot be computed for the values drawn.
        """
        ...

    def replay(self, number: int, sampled: Mapping[str, Scalar]) -> None:
        """Takes over a proposal made earlier, as if `propose(number)` had just returned it."""
        ...

    def observe(self, outcome: Outcome) -> None:
        """Learns how a trial ended. A second outcome of the same trial replaces the first.

        Raises:
            KeyError: The trial was never proposed.
        """
        ...


SearcherFactory: TypeAlias = Callable[[SearchConfig, SearchSpace], Searcher]
F = TypeVar("F", bound=SearcherFactory)


@dataclass(frozen=True)
class SearcherSpec:
    """A registered searcher.

    Attributes:
        make: Builds it.
        learns: Whether what it proposes depends on results. Proposals made at the same time cannot then
            learn from one another.
    """

    make: SearcherFactory
    learns: bool


SEARCHERS: Registry[SearcherSpec] = Registry("searcher")


def register(name: str, line: str, *, learns: bool) -> Callable[[F], F]:
    """Registers the decorated searcher, or function that builds one; see `Registry.register`."""

    def decorate(make: F) -> F:
        SEARCHERS.register(name, line)(SearcherSpec(make, learns))
        return make

    return decorate
