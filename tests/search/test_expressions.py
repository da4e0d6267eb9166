from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.expressions import ExpressionError, MissingNameError, compile_expression
from search.record.events import Params

VALUES: Params = {"rank": 16, "lr": 1e-4, "schedule": "wsd", "rslora": True, "layers": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 * rank", 32),
        ("rank // 3 + rank % 3", 6),
        ("-rank / 4", -4.0),
        ("2 ** -1", 0.5),
        ("rank >= 16", True),
        ("8 < rank <= 12", False),
        ("schedule == 'wsd' and not rank < 16", True),
        ("layers == None", True),
        ("rank if rslora else 0", 16),
        ("int(sqrt(rank)) + round(2.6)", 7),
        ("round(lr * 3, 4)", 0.0003),
        ("max(rank, 8, 24)", 24),
        ("  min(rank, 8)  ", 8),
    ],
)
def test_evaluates(text: str, expected: object) -> None:
    value = compile_expression(text).evaluate(VALUES)
    assert value == expected
    assert type(value) is type(expected)


def test_names_are_those_of_values_only() -> None:
    assert compile_expression("min(rank, 8) if rslora else lr").names == {"rank", "rslora", "lr"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rank +",
        "a = 1",
        "__import__('os').system('true')",
        "rank.real",
        "[rank]",
        "(rank, 1)",
        "rank in alpha",
        "rank is None",
        "lambda: 1",
        "open('x')",
        "hash(rank)",
        "min(rank)",
        "max(*rank)",
        "round(rank, ndigits=1)",
        "(min)(1)(2)",
        "rank & 1",
        "~rank",
        "1j",
        "b'x'",
        "...",
        "f'{rank}'",
        "(x := 1)",
        "\x00",
        "(" * 400,
        "1 + " * 200 + "1",
    ],
)
def test_refuses_what_is_not_listed(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "rank % 0",
        "0 ** -1",
        "9 ** 9 ** 9",
        "10.0 ** 400",
        "1e308 * 10",
        "(-8) ** 0.5",
        "sqrt(0 - 1)",
        "int(schedule)",
        "schedule * 9",
        "schedule + 'x'",
        "-schedule",
        "schedule < rank",
        "layers + 1",
        "round(rank, 0 - 10 ** 9)",
        "round(rank, 0.5)",
    ],
)
def test_computation_that_fails_is_an_expression_error(text: str) -> None:
    expression = compile_expression(text)
    with pytest.raises(ExpressionError) as caught:
        expression.evaluate(VALUES)
    assert text in caught.value.message


def test_only_branches_taken_need_their_names() -> None:
    expression = compile_expression("rank if rslora or missing else missing")
    assert expression.evaluate(VALUES) == 16
    with pytest.raises(MissingNameError) as caught:
        expression.evaluate({"rslora": False})
    assert caught.value.name == "missing"


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_any_text_compiles_or_is_an_expression_error(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        compile_expression(text).evaluate(VALUES)


_NUMBERS = st.sampled_from(["a", "b", "0", "2", "7", "0.5"])
_EXPRESSIONS = st.recursive(
    _NUMBERS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("max({}, {})".format, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(_EXPRESSIONS, st.integers(-5, 5), st.floats(-5, 5))
def test_agrees_with_python(text: str, a: int, b: float) -> None:
    try:
        expected = eval(text, {"max": max}, {"a": a, "b": b})
    except (ZeroDivisionError, OverflowError):
        with pytest.raises(ExpressionError):
            compile_expression(text).evaluate({"a": a, "b": b})
        return
    if not math.isfinite(expected):
        with pytest.raises(ExpressionError):
            compile_expression(text).evaluate({"a": a, "b": b})
    else:
        assert compile_expression(text).evaluate({"a": a, "b": b}) == expected
