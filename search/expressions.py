"""Expressions in space files, such as `2 * rank` or `rank >= 16`: parsed and evaluated without `eval`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from search.errors import TightropeError
from search.record.events import Scalar
from search.spans import Span, greatest, least, power, rising

Ranged: TypeAlias = Scalar | Span
"""A value, or a range of numbers."""

_MAX_LENGTH = 500
_MAX_BITS = 1024
_MAX_DIGITS = 30
_ALLOWED = (
    "Use numbers, strings, names of parameters, + - * / // % **, comparisons, in [...], and, or, not, "
    "`a if condition else b`, and min, max, round, int, sqrt, log, abs."
)

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, exponent: _power(base, exponent),
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, listed: any(value == each for each in listed),
    ast.NotIn: lambda value, listed: not any(value == each for each in listed),
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    # Name to implementation, fewest and most arguments.
    "min": (min, 2, 20),
    "max": (max, 2, 20),
    "round": (lambda value, digits=None: _round(value, digits), 1, 2),
    "int": (int, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "log": (math.log, 1, 1),
    "abs": (abs, 1, 1),
}
_OVER_SPANS: dict[str, Callable[..., Span]] = {
    "min": least,
    "max": greatest,
    "round": lambda value, digits=None: rising(lambda end: _round(end, digits), value),
    "int": partial(rising, int),
    "sqrt": partial(rising, math.sqrt),
    "log": partial(rising, math.log),
    "abs": lambda value: greatest(value, -value, *([0] if value.low <= 0 <= value.high else [])),
}


class ExpressionError(TightropeError):
    """An expression cannot be parsed, or cannot be evaluated for these values."""


class MissingNameError(ExpressionError):
    """An expression needs a name that has no value.

    Args:
        name: The name.
        text: The expression.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"`{text}`: {name!r} has no value here")
        self.name = name


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        text: As it was written.
        names: Names that it may need a value for.
    """

    text: str
    names: frozenset[str]
    _root: ast.expr

    def evaluate(self, values: Mapping[str, Scalar]) -> Scalar:
        """Evaluates with `values` for the names; branches not taken need no values.

        Raises:
            MissingNameError: A name that is needed has no value.
            ExpressionError: Division by zero, a number out of range, or operands of the wrong type.
        """
        return cast(Scalar, self.over(values))

    def over(self, values: Mapping[str, Any]) -> Ranged:
        """The same where some values may be ranges: what holds for all numbers in them.

        Raises:
            MixedError: A comparison does not have the same result for all of them.
            ExpressionError: As `evaluate`.
        """
        try:
            result = _Evaluation(self.text, values).visit(self._root)
        except ZeroDivisionError:
            raise ExpressionError(f"`{self.text}` divides by zero") from None
        except (ValueError, OverflowError, TypeError) as error:
            raise ExpressionError(f"`{self.text}` cannot be computed: {error}") from None
        if isinstance(result, float) and not math.isfinite(result):
            raise ExpressionError(f"`{self.text}` is not a finite number")
        return cast(Ranged, result)


def compile_expression(text: str) -> Expression:
    """Parses and checks an expression.

    Raises:
        ExpressionError: It is not an expression, or uses what is not allowed.
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(f"`{text[:40]}...` is longer than {_MAX_LENGTH} characters")
    try:
        root = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"`{text}` is not an expression", hint=_ALLOWED) from None
    names: set[str] = set()
    _check(root, text, names)
    return Expression(text, frozenset(names), root)


def _check(node: ast.expr, text: str, names: set[str]) -> None:
    """Refuses every node that is not listed here, and collects names."""
    children: list[ast.expr]
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return
        case ast.Name(id=name):
            names.add(name)
            return
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            children = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY or isinstance(op, ast.Not):
            children = [operand]
        case ast.BoolOp(values=operands):
            children = operands
        case ast.Compare(left=left) if all(type(op) in _COMPARE for op in node.ops) and _lists_fit(node):
            children = [left, *(each for other in node.comparators for each in _listed(other))]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            children = [test, body, orelse]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            _, fewest, most = _FUNCTIONS[name]
            if not fewest <= len(arguments) <= most:
                raise ExpressionError(f"`{text}`: {name} takes {fewest} to {most} values")
            children = arguments
        case _:
            part = ast.get_source_segment(text.strip(), node) or text
            raise ExpressionError(f"`{text}`: `{part}` is not allowed here", hint=_ALLOWED)
    for child in children:
        _check(child, text, names)


def _lists_fit(node: ast.Compare) -> bool:
    """Whether lists stand after `in`, and nowhere else."""
    pairs = zip(node.ops, node.comparators, strict=True)
    return all(isinstance(op, ast.In | ast.NotIn) == (_listed(other) != [other]) for op, other in pairs)


def _listed(node: ast.expr) -> list[ast.expr]:
    """The entries of a list; of anything else itself."""
    return node.elts if isinstance(node, ast.List | ast.Tuple) else [node]


class _Evaluation:
    """One evaluation of a checked tree."""

    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self._text = text
        self._values = values

    def visit(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name):
                if name not in self._values:
                    raise MissingNameError(name, self._text)
                return self._values[name]
            case ast.List(elts=listed) | ast.Tuple(elts=listed):
                return [self.visit(each) for each in listed]
            case ast.BinOp(left=left, op=op, right=right):
                return _BINARY[type(op)](self._number(left), self._number(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.visit(operand)
            case ast.UnaryOp(op=op, operand=operand):
                return _UNARY[type(op)](self._number(operand))
            case ast.BoolOp(op=op, values=operands):
                return self._logical(operands, stop_at=isinstance(op, ast.Or))
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.visit(body if self.visit(test) else orelse)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                numbers = [self._number(argument) for argument in arguments]
                ranged = any(isinstance(number, Span) for number in numbers)
                return (_OVER_SPANS[name] if ranged else _FUNCTIONS[name][0])(*numbers)
        raise AssertionError(f"unchecked node {type(node).__name__}")

    def _number(self, node: ast.expr) -> Any:
        value = self.visit(node)
        if isinstance(value, bool | int | float | Span):
            return value
        raise ExpressionError(f"`{self._text}`: {value!r} is not a number")

    def _logical(self, operands: list[ast.expr], *, stop_at: bool) -> Any:
        value: Any = not stop_at
        for operand in operands:
            value = self.visit(operand)
            if bool(value) is stop_at:
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self.visit(node.left)
        for op, other in zip(node.ops, node.comparators, strict=True):
            right = self.visit(other)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True


def _power(base: Any, exponent: Any) -> Any:
    """`base ** exponent`, real, and with no integer so large that computing it would hang."""
    if isinstance(base, Span) or isinstance(exponent, Span):
        return power(base, exponent)
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        if base.bit_length() * exponent > _MAX_BITS:
            raise OverflowError("the power is too large")
        return int(base**exponent)
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("a negative number has no real power with this exponent")
    return float(result)


def _round(value: float, digits: float | None) -> float:
    if digits is None:
        return round(value)
    if not isinstance(digits, int) or abs(digits) > _MAX_DIGITS:
        raise ValueError(f"round needs a whole number of digits, at most {_MAX_DIGITS}")
    return round(value, digits)
