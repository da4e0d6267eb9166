"""What is audited: facts by their neutral names, and how they depend on what is searched."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from search.audit.finding import Place
from search.audit.names import NONE_SAYS
from search.audit.quantity import QUANTITIES, Quantity
from search.audit.region import Region
from search.expressions import Expression, ExpressionError, MissingNameError, Ranged
from search.record.events import Params, Scalar
from search.space import SampledParameter
from search.spans import Span


@dataclass(frozen=True)
class Fact:
    """What is known of one name: a value, or what gives it.

    Exactly one of `value`, `read`, `formula` and `compute` counts, the last given first.

    Attributes:
        value: The value, where it is known at once. None is a value too: none, or off.
        read: Reads it when it is first asked for; LookupError means that it is not known.
        formula: An expression over the parameters of a trial.
        compute: A function of the parameters that `needs` names, in this order; likewise.
        needs: Names of these parameters.
        place: Where it stands.
        key: Dotted key that sets it; None where no single key does.
        parameter: Parameter of a trial that sets it; likewise.
    """

    value: Scalar = None
    read: Callable[[], Scalar] | None = None
    formula: Expression | None = None
    compute: Callable[..., Scalar] | None = None
    needs: tuple[str, ...] = ()
    place: Place | None = None
    key: str | None = None
    parameter: str | None = None

    @property
    def parameters(self) -> frozenset[str]:
        """Parameters of a trial that it depends on."""
        return self.formula.names if self.formula is not None else frozenset(self.needs)

    def evaluate(self, parameters: Mapping[str, Any]) -> Ranged:
        """The value for parameters of a trial, which may be ranges.

        Raises:
            LookupError: It is not known.
            ExpressionError: It cannot be computed.
        """
        if self.compute is not None:
            return self.compute(*(parameters[name] for name in self.needs))
        if self.formula is not None:
            return self.formula.over(parameters)
        return self.read() if self.read is not None else self.value


class Dependence(NamedTuple):
    """What of the space something depends on: the searched parameters, and those by way of a function."""

    axes: frozenset[str]
    opaque: frozenset[str]


@dataclass(frozen=True)
class Subject:
    """A configuration as rules see it.

    Attributes:
        facts: What is known, by neutral name (`search.audit.names`).
        axes: Searched parameters; none of a configuration that searches nothing.
        parameters: All parameters of a trial for values of the axes, which may be ranges.
        uses: By parameter the axes that it depends on.
        trials: Number of trials.
        proposals: The trials' values of the axes, where they are known beforehand.
        places: Where a fact stands; the region that a rule fires in may say it more exactly.
        line: What to type for a fact to have a value, likewise.
    """

    facts: Mapping[str, Fact]
    axes: Mapping[str, SampledParameter] = field(default_factory=dict)
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    trials: int | None = None
    proposals: Callable[[], list[Params] | None] = lambda: None
    places: Callable[[Fact, Region | None], Place | None] = lambda fact, region: fact.place
    line: Callable[[Fact, Scalar, Region | None], str | None] = lambda fact, value, region: None

    def depends(self, names: frozenset[str]) -> Dependence:
        """What facts and quantities of these names depend on."""
        each = [self._depends(name) for name in names]
        return Dependence(
            frozenset().union(*(one.axes for one in each)), frozenset().union(*(one.opaque for one in each))
        )

    def _depends(self, name: str) -> Dependence:
        if name not in self._dependences:
            self._dependences[name] = Dependence(frozenset(), frozenset())  # ends a circle
            self._dependences[name] = self._trace(name)
        return self._dependences[name]

    def _trace(self, name: str) -> Dependence:
        fact = self.facts.get(name)
        if fact is not None:
            axes = frozenset().union(*(self.uses.get(each, frozenset()) for each in fact.parameters))
            return Dependence(axes, axes if fact.compute is not None else frozenset())
        if name not in QUANTITIES:
            return Dependence(frozenset(), frozenset())
        entry = QUANTITIES[name]
        below = self.depends(frozenset((*entry.needs, *entry.uses)))
        return below if entry.formula is not None else Dependence(below.axes, below.axes)

    @cached_property
    def _dependences(self) -> dict[str, Dependence]:
        return {}

    @cached_property
    def known(self) -> dict[tuple[Any, ...], Ranged]:
        """What has been computed, by name and by the values of the axes that it depends on."""
        return {}

    def order(self, name: str) -> tuple[str, ...]:
        """The axes that a fact or a quantity depends on, in a fixed order."""
        if name not in self._orders:
            self._orders[name] = tuple(sorted(self._depends(name).axes))
        return self._orders[name]

    @cached_property
    def _orders(self) -> dict[str, tuple[str, ...]]:
        return {}

    def at(self, values: Mapping[str, Any]) -> Point:
        """One point of the space, or a part of it."""
        return Point(self, values)


class Point(Mapping[str, Any]):
    """Facts and quantities at one point of the space, each computed when it is first asked for.

    A name is in it where its value is known.

    Args:
        subject: What is audited.
        values: A value, or a range, for every axis.

    Attributes:
        missing: Facts that were asked for and are not known.
        problems: What could not be computed, in words.
    """

    def __init__(self, subject: Subject, values: Mapping[str, Any]) -> None:
        self.missing: dict[str, None] = {}
        self.problems: list[str] = []
        self._subject = subject
        self._values = values
        self._asked: dict[str, None] = {}

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """All parameters of a trial at this point."""
        return self._subject.parameters(self._values)

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except KeyError:
            return False
        return True

    def __getitem__(self, name: str) -> Any:
        known = self._subject.known
        key = (name, *(_key(self._values[axis]) for axis in self._subject.order(name)))
        if key not in known:
            known[key] = self._compute(name)
        self._asked[name] = None
        return known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def _compute(self, name: str) -> Any:
        fact = self._subject.facts.get(name)
        try:
            if fact is not None:
                # A formula may use what is the same for all trials beside their parameters.
                value = fact.evaluate(ChainMap(dict(self.parameters), self))  # type: ignore[arg-type]
                if value is None and name not in NONE_SAYS:
                    raise LookupError(name)
                return value
            if name in QUANTITIES:
                return self._quantity(name, QUANTITIES[name])
        except MissingNameError as error:
            if fact is not None:
                self.missing[name] = None
            raise KeyError(error.name) from error
        except (ArithmeticError, ValueError, ExpressionError) as error:
            self.problems.append(f"{name}: {error}")
            raise KeyError(name) from error
        except LookupError as error:
            if fact is None:
                raise KeyError(name) from error
        self.missing[name] = None
        raise KeyError(name)

    def _quantity(self, name: str, entry: Quantity) -> Any:
        if entry.formula is not None:
            return entry.formula.over(self)
        assert entry.compute is not None
        given = {each: self[each] for each in entry.needs}
        given |= {each: self[each] for each in entry.uses if each in self}
        result = entry.compute(**given)
        if result is None:
            raise ValueError("is not known here")
        return result


def _key(value: Any) -> Any:
    """A value as a part of a key: `1` and `true` are not the same, and ranges do not compare."""
    return (value.low, value.high) if isinstance(value, Span) else (type(value), value)
