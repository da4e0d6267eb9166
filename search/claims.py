"""Claims of hypotheses, such as `adoption[new] > base.adoption + 0.1`: parsed into linear combinations."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias, cast

from search.errors import TightropeError
from search.record.events import Scalar

Comparison: TypeAlias = Literal["<", "<=", ">", ">="]
Relation: TypeAlias = Literal["=", "<", "<=", ">", ">="]

_MAX_LENGTH = 500
_MAX_DEPTH = 30
_COMPARISONS = ("<", "<=", ">", ">=")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}
_SYNTAX = (
    "compare metrics, numbers and values of baselines with <, <=, > or >=, for example "
    "`adoption[new] > base.adoption + 0.1` or `loss[rank=8] < loss[rank=16|32]`"
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<quoted>'[^']*'|\"[^\"]*\")|(?P<sign><=|>=|[-+*()\[\],.|<>=])|(?P<end>$))",
    re.ASCII,
)


class ClaimError(TightropeError):
    """A claim cannot be parsed, or is no comparison of linear expressions."""


@dataclass(frozen=True)
class Filter:
    """A condition on the parameters of trials, such as `rank=8|16` or `lr<=1e-3`.

    Attributes:
        relation: "=" is one of the values; the others compare with the only value.
    """

    parameter: str
    relation: Relation
    values: tuple[Scalar, ...]

    def keeps(self, params: Mapping[str, Scalar]) -> bool:
        """Whether a trial with these parameters is meant."""
        if self.parameter not in params:
            return False
        value = params[self.parameter]
        if self.relation == "=":
            return any(same(value, other) for other in self.values)
        (bound,) = self.values
        if not (_is_number(value) and _is_number(bound)):
            return False
        left, right = cast(float, value), cast(float, bound)
        if same(value, bound):
            return self.relation in ("<=", ">=")
        return left < right if self.relation in ("<", "<=") else left > right

    def __str__(self) -> str:
        return f"{self.parameter}{self.relation}{'|'.join(map(spelled, self.values))}"


@dataclass(frozen=True)
class Quantity:
    """A metric of a baseline, or of the trials that every filter keeps.

    Attributes:
        baseline: None for trials.
        metric: Full name, groups among it: `adoption[new]` is the metric `adoption_new`.
    """

    metric: str
    baseline: str | None = None
    filters: tuple[Filter, ...] = ()

    def __str__(self) -> str:
        if self.baseline is not None:
            return f"{self.baseline}.{self.metric}"
        return self.metric + (f"[{', '.join(map(str, self.filters))}]" if self.filters else "")


@dataclass(frozen=True)
class Linear:
    """A constant and multiples of quantities."""

    constant: float
    terms: Mapping[Quantity, float]

    def plus(self, other: Linear, factor: float = 1.0) -> Linear:
        """This and a multiple of the other."""
        terms = dict(self.terms)
        for quantity, coefficient in other.terms.items():
            terms[quantity] = terms.get(quantity, 0.0) + factor * coefficient
        return Linear(self.constant + factor * other.constant, terms)

    def times(self, factor: float) -> Linear:
        """A multiple of this."""
        return Linear(0.0, {}).plus(self, factor)


@dataclass(frozen=True)
class Claim:
    """`difference comparison 0`, where the difference is the claim's left side minus its right side."""

    text: str
    comparison: Comparison
    difference: Linear

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What is compared, in the order in which it is named."""
        return tuple(self.difference.terms)


def parse_claim(text: str) -> Claim:
    """Parses a claim.

    Grammar: `sum (<|<=|>|>=) sum`; a sum has terms joined by + and -, a term has factors joined by *, and a
    factor is a number, a sum in parentheses, or a quantity. A quantity is `metric` or `baseline.metric` with
    brackets behind it: a name in them is a group of the metric, `parameter=value|value` a filter of trials.

    Raises:
        ClaimError: It is no such comparison, is not linear, or names no metric.
    """
    if len(text) > _MAX_LENGTH:
        raise ClaimError(f"`{text[:40]}...` is longer than {_MAX_LENGTH} characters")
    parser = _Parser(text)
    left = parser.sum()
    comparison = parser.take(*_COMPARISONS)
    if comparison is None:
        parser.refuse("expected <, <=, > or >=")
    right = parser.sum()
    if parser.sign in _COMPARISONS:
        raise ClaimError(f"`{text}` compares more than two sides", hint="write a hypothesis for each")
    parser.end()
    difference = left.plus(right, -1.0)
    named = bool(difference.terms)
    terms = {quantity: factor for quantity, factor in difference.terms.items() if factor != 0}
    if not named:
        raise ClaimError(f"`{text}` names no metric", hint=_SYNTAX)
    if not terms:
        raise ClaimError(f"`{text}` has the same metrics on both sides, so that no result could decide it")
    if not all(map(math.isfinite, (difference.constant, *terms.values()))):
        raise ClaimError(f"`{text}` has a number that is too large")
    return Claim(text, cast(Comparison, comparison), Linear(difference.constant, terms))


def same(left: Scalar, right: Scalar) -> bool:
    """Whether two values of a parameter are equal; 1 and 1.0 are, 1 and true are not."""
    if _is_number(left) and _is_number(right):
        return math.isclose(cast(float, left), cast(float, right), rel_tol=1e-9)
    return type(left) is type(right) and left == right


def spelled(value: Scalar) -> str:
    """A parameter's value as claims and space files write it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Parser:
    """Recursive descent over the tokens of a claim."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    @property
    def _kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _word(self) -> str:
        return self._tokens[self._at][1]

    @property
    def sign(self) -> str | None:
        """The sign that comes next, if one does."""
        return self._word if self._kind == "sign" else None

    def take(self, *signs: str) -> str | None:
        """Steps over one of these signs, if it comes next."""
        if self.sign not in signs:
            return None
        self._at += 1
        return self._tokens[self._at - 1][1]

    def end(self) -> None:
        """Refuses whatever is left."""
        if self._kind != "end":
            self.refuse("expected nothing more")

    def refuse(self, expected: str) -> NoReturn:
        """Raises `ClaimError` about what comes next."""
        met = "at its end" if self._kind == "end" else f"at `{self._text[self._tokens[self._at][2] :]}`"
        raise ClaimError(f"`{self._text}` cannot be read {met}: {expected}", hint=_SYNTAX)

    def sum(self) -> Linear:
        """Terms joined by + and -."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ClaimError(f"`{self._text}` has more than {_MAX_DEPTH} nested parentheses")
        total = self._term()
        while (sign := self.take("+", "-")) is not None:
            total = total.plus(self._term(), 1.0 if sign == "+" else -1.0)
        self._depth -= 1
        return total

    def _term(self) -> Linear:
        product = self._factor()
        while self.take("*"):
            other = self._factor()
            if product.terms and other.terms:
                named = " and ".join(str(next(iter(side.terms))) for side in (product, other))
                raise ClaimError(
                    f"`{self._text}` multiplies {named}",
                    hint="a claim is linear: multiply metrics by numbers only",
                )
            product = other.times(product.constant) if other.terms else product.times(other.constant)
        return product

    def _factor(self) -> Linear:
        minus = False
        while sign := self.take("+", "-"):
            minus ^= sign == "-"
        return self._atom().times(-1.0) if minus else self._atom()

    def _atom(self) -> Linear:
        if self.take("("):
            inside = self.sum()
            if not self.take(")"):
                self.refuse("expected )")
            return inside
        if self._kind == "number":
            self._at += 1
            return Linear(float(self._tokens[self._at - 1][1]), {})
        return Linear(0.0, {self._quantity(): 1.0})

    def _quantity(self) -> Quantity:
        metric, baseline = self._name("a metric or a number"), None
        if self.take("."):
            baseline, metric = metric, self._name("a metric")
        filters: list[Filter] = []
        while self.take("["):
            while True:
                name = self._name("a group or a parameter", numbers=True)
                if self.sign in ("=", *_COMPARISONS):
                    filters.append(self._filter(name))
                else:
                    metric = f"{metric}_{name}"
                if not self.take(","):
                    break
            if not self.take("]"):
                self.refuse("expected ]")
        if baseline is not None and filters:
            raise ClaimError(
                f"`{self._text}` filters {baseline}.{metric} by {filters[0]}",
                hint="a baseline is no trial, and has no parameters; remove the filter",
            )
        return Quantity(metric, baseline, tuple(sorted(filters, key=str)))

    def _filter(self, parameter: str) -> Filter:
        relation = cast(Relation, self.take("=", *_COMPARISONS))
        values = [self._value()]
        while relation == "=" and self.take("|"):
            values.append(self._value())
        if relation != "=" and not _is_number(values[0]):
            raise ClaimError(f"`{self._text}`: {parameter}{relation} needs a number")
        return Filter(parameter, relation, tuple(values))

    def _value(self) -> Scalar:
        minus = self.take("-") is not None
        kind, word, _ = self._tokens[self._at]
        if kind == "number":
            self._at += 1
            number = int(word) if word.isdigit() else float(word)
            return -number if minus else number
        if minus or kind not in ("name", "quoted"):
            self.refuse("expected a value")
        self._at += 1
        return word[1:-1] if kind == "quoted" else _WORDS.get(word, word)

    def _name(self, expected: str, numbers: bool = False) -> str:
        if self._kind != "name" and not (numbers and self._kind == "number" and self._word.isdigit()):
            self.refuse(f"expected {expected}")
        self._at += 1
        return self._tokens[self._at - 1][1]


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and place of each token, "end" last."""
    at, kind = 0, ""
    while kind != "end":
        match = _TOKEN.match(text, at)
        if match is None:
            raise ClaimError(f"`{text}` cannot be read at `{text[at:].strip()}`", hint=_SYNTAX)
        kind = str(match.lastgroup)
        yield kind, match[kind], match.start(kind)
        at = match.end()


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
