"""Which part of a space a rule affects: against brute force, and exactly where that is claimed."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.audit.engine import evaluate
from search.audit.finding import Audit, Finding, Severity
from search.audit.region import Region
from search.audit.rule import Rule
from search.audit.shares import SAMPLED, region
from search.audit.subject import Fact, Subject
from search.config.space import CategoricalParameter, FloatParameter, IntParameter, Parameter, grid_values
from search.expressions import ExpressionError, compile_expression
from search.searchers.draw import quantile
from search.space import SearchSpace
from search.spans import MixedError, Span

LR = FloatParameter(type="log-float", low=1e-5, high=1e-1)
SPACE: dict[str, Parameter] = {
    "lr": LR,
    "rank": CategoricalParameter(type="categorical", choices=(2, 8, 32)),
    "layers": IntParameter(type="int", low=1, high=5),
    "dropout": FloatParameter(type="float", low=0.0, high=0.5),
}
FACTS = ("lr", "rank", "layers", "dropout", "alpha")
PARTS = ["lr", "lr * rank", "lr * alpha", "dropout * layers", "rank / layers", "sqrt(lr)", "max(lr, 1e-2)"]
POINTS = 200

comparisons = st.tuples(
    st.sampled_from(PARTS), st.sampled_from(["<", ">", "<=", ">="]), st.floats(1e-4, 10)
).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]!r}")
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=3,
)


def subject_of(parameters: dict[str, Parameter], **facts: Fact) -> Subject:
    space = SearchSpace(parameters, {"alpha": 16})
    known = {name: Fact(formula=compile_expression(name), parameter=name) for name in FACTS}
    return Subject(
        known | facts,
        axes=space.sampled,
        parameters=lambda values: {"rank": 8, **space.values(values)},
        uses={name: space.uses(name) for name in parameters},
        trials=10,
    )


def fires(text: str, subject: Subject) -> Region:
    condition = compile_expression(text)
    return region(lambda point: bool(condition.over(point)), subject.depends(condition.names), subject)


def counted(text: str, subject: Subject) -> float:
    """The share by looking at many points: even quantiles of a range, and all of the choices."""
    condition = compile_expression(text)
    names = subject.depends(condition.names).axes
    lists = {
        name: [quantile(axis, (place + 0.5) / POINTS) for place in range(POINTS)]
        if isinstance(axis, FloatParameter)
        else grid_values(axis) or []
        for name, axis in subject.axes.items()
        if name in names
    }
    rest = {name: quantile(axis, 0.5) for name, axis in subject.axes.items() if name not in names}
    points = [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]
    return sum(bool(condition.over(subject.at({**rest, **point}))) for point in points) / len(points)


@given(conditions)
@settings(max_examples=25, deadline=None)
def test_the_share_is_that_of_brute_force(text: str) -> None:
    subject = subject_of(SPACE)
    found = fires(text, subject)
    ranges = {"lr", "dropout"} & found.axes.keys()
    assert found.method == {0: "counted", 1: "exact", 2: "sampled"}[len(ranges)]
    if len(ranges) < 2 and len(found.axes) < 3:
        assert found.share == pytest.approx(counted(text, subject), abs=3 / POINTS)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("lr > 1e-3", 0.5),
        ("lr * rank > 1e-2", (math.log10(20) + math.log10(80) + math.log10(320)) / 12),
        ("1e-4 < lr < 1e-2 or lr > 5e-2", 0.5 + math.log10(2) / 4),
        ("rank == 8", 1 / 3),
        ("rank in [2, 8] and layers >= 4", 2 / 3 * 2 / 5),
        ("lr / lr > 0.5", 1.0),
    ],
)
def test_comparisons_of_one_range_are_exact(text: str, share: float) -> None:
    assert fires(text, subject_of(SPACE)).share == pytest.approx(share, abs=1e-5)


def test_two_ranges_are_sampled_and_said_to_be() -> None:
    found = fires("lr > 1e-3 and dropout > 0.25", subject_of(SPACE))
    assert found.method == "sampled"
    assert found.share == pytest.approx(0.25, abs=4 / math.sqrt(SAMPLED) / 10)


def test_a_function_of_a_range_is_sampled() -> None:
    steep = Fact(compute=lambda lr: lr**2, needs=("lr",))
    found = fires("epochs > 1e-6", subject_of(SPACE, epochs=steep))
    assert found.method == "sampled"
    assert found.share == pytest.approx(0.5, abs=0.01)


def test_conditions_and_expressions_of_the_space_count() -> None:
    parameters: dict[str, Parameter] = {
        "lr": LR,
        "rank": CategoricalParameter(type="categorical", choices=(16, 32), when="lr > 1e-3"),
    }
    found = fires("rank == 32", subject_of(parameters))
    assert (found.method, found.share) == ("exact", pytest.approx(0.25, abs=1e-5))


@given(conditions, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_what_holds_over_a_range_holds_for_every_number_in_it(
    text: str, first: float, second: float, between: float
) -> None:
    low, high = sorted((first, second))
    value = low + between * (high - low)
    condition = compile_expression(text)
    others = {"rank": 8, "layers": 2, "dropout": 0.1, "alpha": 16}
    try:
        over = condition.over({**others, "lr": Span(low, high)})
    except (MixedError, ExpressionError):
        return
    assert bool(over) == bool(condition.over({**others, "lr": min(max(value, low), high)}))


def rule(**body: object) -> Rule:
    texts = {"title": "t", "evidence": "lr {lr}", "impact": "i", "recommended": "r", "source": "s"}
    return Rule("a-rule", {**texts, "severity": "critical", **body})


def audited(subject: Subject, **body: object) -> Audit:
    return evaluate(subject, [rule(**body)])


def only(audit: Audit) -> Finding:
    (finding,) = audit.findings
    return finding


def test_a_part_of_the_space_is_one_level_less_severe() -> None:
    part = only(audited(subject_of(SPACE), when="lr > 1e-3"))
    assert (part.severity, part.share) == (Severity.HIGH, pytest.approx(0.5, abs=1e-5))
    assert "50% of the range of lr, 0.001 to 0.1, so for about 5 of 10 trials" in part.evidence
    assert part.evidence.startswith("lr 0.1;")
    assert only(audited(subject_of(SPACE), when="lr > 1e-9")).severity is Severity.CRITICAL
    assert only(audited(subject_of(SPACE), when="lr > 1e-3", partly="low")).severity is Severity.LOW


def test_what_is_not_known_is_neither_passed_nor_found() -> None:
    audit = audited(subject_of(SPACE), when="corpus_tokens > 3 or lr > 1")
    assert audit.findings == ()
    assert audit.undecided[0].missing == ("corpus_tokens",)
    assert audited(subject_of(SPACE), given="corpus_tokens > 3", when="lr > 1").undecided
    assert only(audited(subject_of(SPACE), when="lr > 1 and corpus_tokens > 3")).severity is Severity.PASSED


def test_a_rule_of_something_else_does_not_apply() -> None:
    audit = audited(subject_of(SPACE), given="rank > 100", when="lr > 0")
    assert (audit.findings, audit.undecided, audit.inapplicable) == ((), (), ("a-rule",))
