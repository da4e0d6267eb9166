"""Derived quantities: what follows from facts, each registered with its unit and meaning."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from search.audit.names import NAMES
from search.expressions import Expression, compile_expression
from search.record.events import Scalar
from trainables.registry import Registry


@dataclass(frozen=True)
class Quantity:
    """A derived quantity: a formula, or a function.

    Attributes:
        unit: Empty for a pure number.
        meaning: In one sentence.
        needs: Facts and quantities that it needs; without one of them it is not known.
        uses: What it uses where it is known.
        formula: An expression; over ranges it is evaluated exactly.
        compute: A function of what it needs and uses, by name. None as its result is "not known".
    """

    unit: str
    meaning: str
    needs: tuple[str, ...]
    uses: tuple[str, ...] = ()
    formula: Expression | None = None
    compute: Callable[..., Scalar] | None = None


QUANTITIES: Registry[Quantity] = Registry("quantity", home="search.audit.quantities")


def formula(name: str, unit: str, meaning: str, text: str) -> None:
    """Registers a quantity that is an expression of facts and other quantities.

    Prefer it to `quantity`: the share of a range that a rule affects is then computed exactly.

    Raises:
        ExpressionError: The text is no expression.
        ValueError: The name is taken.
    """
    expression = compile_expression(text)
    _register(name, Quantity(unit, meaning, tuple(sorted(expression.names)), formula=expression))


def quantity(name: str, unit: str, meaning: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers the decorated function as a quantity.

    Its parameters are the facts and quantities that it needs, by name; one that has a default is used where
    it is known. What it raises as ArithmeticError or ValueError, and None as a result, mean "not known".
    """

    def decorate(compute: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(compute).parameters
        needs = tuple(name for name, each in parameters.items() if each.default is each.empty)
        uses = tuple(name for name in parameters if name not in needs)
        _register(name, Quantity(unit, meaning, needs, uses, compute=compute))
        return compute

    return decorate


def _register(name: str, entry: Quantity) -> None:
    if name in NAMES:
        raise ValueError(f"quantity {name!r} has the name of a fact")
    QUANTITIES.register(name, entry.meaning)(entry)
