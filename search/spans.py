"""Ranges of real numbers, which expressions are evaluated over as over numbers (interval arithmetic)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Operand: TypeAlias = "Span | bool | int | float"


class MixedError(Exception):
    """Within these ranges a comparison holds in some places and not in others, or is not defined in some."""


@dataclass(frozen=True, eq=False)
class Span:
    """All numbers in [low, high].

    The results of arithmetic contain every value that the operands' numbers give (Moore, 1966); they may be
    wider where a range enters twice. A comparison has a result only where it is the same all over.
    """

    low: float
    high: float

    def __add__(self, other: Operand) -> Span:
        right = span(other)
        return Span(self.low + right.low, self.high + right.high)

    def __neg__(self) -> Span:
        return Span(-self.high, -self.low)

    def __pos__(self) -> Span:
        return self

    def __sub__(self, other: Operand) -> Span:
        return self + -span(other)

    def __mul__(self, other: Operand) -> Span:
        right = span(other)
        ends = [a * b for a in (self.low, self.high) for b in (right.low, right.high)]
        return Span(min(ends), max(ends))

    def __truediv__(self, other: Operand) -> Span:
        right = span(other)
        if right.low <= 0 <= right.high:
            raise MixedError
        return self * Span(1 / right.high, 1 / right.low)

    def __radd__(self, other: Operand) -> Span:
        return self + other

    def __rsub__(self, other: Operand) -> Span:
        return span(other) - self

    def __rmul__(self, other: Operand) -> Span:
        return self * other

    def __rtruediv__(self, other: Operand) -> Span:
        return span(other) / self

    def __floordiv__(self, other: Operand) -> Span:
        return rising(math.floor, self / other)

    def __rfloordiv__(self, other: Operand) -> Span:
        return span(other) // self

    def __mod__(self, other: Operand) -> Span:
        raise MixedError

    __rmod__ = __mod__

    def __lt__(self, other: Operand) -> bool:
        right = span(other)
        if self.high < right.low:
            return True
        if self.low >= right.high:
            return False
        raise MixedError

    def __gt__(self, other: Operand) -> bool:
        return span(other) < self

    def __le__(self, other: Operand) -> bool:
        return not self > other

    def __ge__(self, other: Operand) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Span | bool | int | float):
            return False
        right = span(other)
        if self.high < right.low or right.high < self.low:
            return False
        if self.low == self.high == right.low == right.high:
            return True
        raise MixedError

    def __hash__(self) -> int:
        return hash((self.low, self.high))

    def __bool__(self) -> bool:
        if self.low <= 0 <= self.high:
            raise MixedError
        return True


def span(value: Operand) -> Span:
    """A number as a range."""
    return value if isinstance(value, Span) else Span(value, value)


def rising(function: Callable[[Any], float], value: Span) -> Span:
    """A function that never falls, over a range."""
    return Span(function(value.low), function(value.high))


def least(*values: Operand) -> Span:
    """The minimum, for all numbers in the ranges."""
    spans = [span(value) for value in values]
    return Span(min(each.low for each in spans), min(each.high for each in spans))


def greatest(*values: Operand) -> Span:
    """The maximum, for all numbers in the ranges."""
    spans = [span(value) for value in values]
    return Span(max(each.low for each in spans), max(each.high for each in spans))


def power(base: Operand, exponent: Operand) -> Span:
    """`base ** exponent` for a base above 0; others have no simple ends."""
    bases, exponents = span(base), span(exponent)
    if bases.low <= 0:
        raise MixedError
    try:
        ends = [a**b for a in (bases.low, bases.high) for b in (exponents.low, exponents.high)]
    except OverflowError:
        raise MixedError from None
    return Span(min(ends), max(ends))
