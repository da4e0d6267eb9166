"""Claims of hypotheses: what they mean, and what is refused before a search starts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.claims import ClaimError, Filter, Quantity, parse_claim, same
from search.config.load import load_config
from search.effects import leaves
from search.errors import ConfigError
from tests.search.config_files import SPACE, line_of, write_space

VALUES = {"a": 0.25, "b": -3.0, "c": 7.5}
NUMBERS = st.integers(0, 9).map(str) | st.sampled_from(["0.5", ".25", "1e-2", "2.5E+1"])


def _linear(metrics: bool) -> st.SearchStrategy[str]:
    """Expressions that Python evaluates alike; without metrics, they may be multiplied with anything."""
    atoms = NUMBERS | st.sampled_from(list(VALUES)) if metrics else NUMBERS
    return st.recursive(
        atoms,
        lambda inner: (
            st.tuples(inner, st.sampled_from("+-"), inner).map(" ".join)
            | inner.map(lambda text: f"({text})")
            | inner.map(lambda text: f"-({text})")
            | st.tuples(NUMBERS, inner).map(lambda pair: f"{pair[0]} * ({pair[1]})")
            | st.tuples(inner, NUMBERS).map(lambda pair: f"({pair[0]})*{pair[1]}")
        ),
        max_leaves=8,
    )


@given(left=_linear(metrics=True), right=_linear(metrics=True), sign=st.sampled_from(["<", "<=", ">", ">="]))
def test_a_claim_is_the_difference_of_its_sides(left: str, right: str, sign: str) -> None:
    text = f"{left} {sign} {right} + d"
    claim = parse_claim(text)
    difference = claim.difference.constant + sum(
        factor * ({**VALUES, "d": 1.5}[quantity.metric])
        for quantity, factor in claim.difference.terms.items()
    )
    expected = eval(left, {}, VALUES) - eval(f"{right} + 1.5", {}, VALUES)
    assert math.isclose(difference, expected, rel_tol=1e-9, abs_tol=1e-9)
    assert claim.comparison == sign


def test_brackets_are_groups_and_filters() -> None:
    claim = parse_claim(
        "rate[bad_off, lr<=1e-3][labelled=0.5|1] < in_context.adoption[new][5] + rate[on=true]"
    )
    assert claim.quantities == (
        Quantity("rate_bad_off", None, (Filter("labelled", "=", (0.5, 1)), Filter("lr", "<=", (1e-3,)))),
        Quantity("adoption_new_5", "in_context"),
        Quantity("rate", None, (Filter("on", "=", (True,)),)),
    )
    assert parse_claim("m[rank=2, lr=1] > 0").quantities == parse_claim("m[lr=1][rank=2] > 0").quantities


@pytest.mark.parametrize(
    ("value", "other", "equal"),
    [(1, 1.0, True), (1, True, False), ("all", "all", True), (None, None, True), (0.1 + 0.2, 0.3, True)],
)
def test_values_of_parameters_are_compared_by_kind(value: object, other: object, equal: bool) -> None:
    assert same(value, other) is equal  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a", "expected <"),
        ("a >", "at its end: expected a metric"),
        ("a < b < c", "more than two sides"),
        ("a * b > 1", "multiplies a and b"),
        ("2 > 1", "names no metric"),
        ("a + b > b + a", "same metrics on both sides"),
        ("a[rank=2 > 1", "expected ]"),
        ("a[lr<high] > 1", "lr< needs a number"),
        ("base.a[rank=2] > 1", "filters base.a"),
        ("a / 2 > 1", "at `/ 2 > 1`"),
        ("a > 1 1", "nothing more"),
        ("a > 1e999", "too large"),
        ("(" * 40 + "a" + ")" * 40 + " > 1", "nested"),
        ("a > " + "0 + " * 200 + "0", "longer"),
    ],
)
def test_no_claim(text: str, part: str) -> None:
    with pytest.raises(ClaimError) as caught:
        parse_claim(text)
    assert part in str(caught.value)


@given(st.text("ab<>=[]().*+-|,'\"01 ", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        claim = parse_claim(text)
    except ClaimError:
        return
    assert claim.quantities


HYPOTHESES = """\
hypotheses:
  H1: {claim: "capability > base.capability - 0.05", meaning: It is kept.}
  H2:
    claim: "train_loss[rank=2] < train_loss[rank=4]"
    where: {lr: [1e-4, 2e-3]}
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return f"space={write_space(tmp_path, SPACE + HYPOTHESES)}"


def test_hypotheses_are_configuration(space: str) -> None:
    config = load_config([space]).config
    assert [config.hypotheses[name].scope(filtered=False) for name in ("H1", "H2")] == ["recommended", "all"]
    assert config.hypotheses["H2"].filters["lr"] == Filter("lr", "=", (1e-4, 2e-3))
    less = load_config([space, "hypotheses.H1=null", "hypotheses.H3.claim=retention>=0.9"]).config
    assert list(less.hypotheses) == ["H2", "H3"]
    before, now = (leaves(each.model_dump(mode="json"), ["search"]) for each in (config, less))
    assert before == now  # they change nothing in training


@pytest.mark.parametrize(
    ("word", "key", "hint"),
    [
        ("hypotheses.H1.claim=capabilty > 0", "hypotheses.H1.claim", "did you mean capability?"),
        ("hypotheses.H1.claim=bas.capability > 0", "hypotheses.H1.claim", "did you mean base?"),
        ("hypotheses.H1.claim=base.train_loss > 0", "hypotheses.H1.claim", "there are: retention"),
        ("hypotheses.H1.claim=capability[rnk=2] > 0", "hypotheses.H1.claim", "did you mean rank?"),
        ("hypotheses.H1.claim=capability[rank=3] > 0", "hypotheses.H1.claim", "there are: 2, 4"),
        ("hypotheses.H1.claim=capability[rank>4] > 0", "hypotheses.H1.claim", "there are: 2, 4"),
        ("hypotheses.H1.claim=capability[rank<4, rank=4] > 0", "hypotheses.H1.claim", "there are: 2, 4"),
        ("hypotheses.H1.claim=capability[lr<1e-9] > 0", "hypotheses.H1.claim", "there are: 0.0001 to 0.01"),
        ("hypotheses.H1.claim=capability[lr=1] > 0", "hypotheses.H1.claim", "there are: 0.0001 to 0.01"),
        ("hypotheses.H1.claim=capability[batch_size=true] > 0", "hypotheses.H1.claim", "there are: 4"),
        ("hypotheses.H1.claim=capability[rnk=2] > train_loss[rnk=2]", "hypotheses.H1.claim", "mean rank?"),
        ("hypotheses.H1.claim=capability * retention > 0", "hypotheses.H1.claim", "by numbers only"),
        ("hypotheses.H1.over=everything", "hypotheses.H1.over", None),
        ("hypotheses.H2.over=recommended", "hypotheses.H2.over", "over: all"),
        ("hypotheses.H2.where.rnk=2", "hypotheses.H2.where.rnk", "did you mean rank?"),
        ("hypotheses.H1.clam=x > 0", "hypotheses.H1.clam", "did you mean hypotheses.H1.claim?"),
        ("hypotheses.H3.over=all", "hypotheses.H3.claim", "add it"),
    ],
)
def test_what_no_search_could_answer_is_refused(space: str, word: str, key: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config([space, word])
    (problem,) = caught.value.problems
    assert (problem.key, problem.where.startswith("command line")) == (key, True)
    assert hint is None or hint in str(problem.hint)


def test_a_mistake_in_the_file_has_its_line_and_a_front_metric_its_scope(tmp_path: Path, space: str) -> None:
    text = SPACE + HYPOTHESES.replace("capability >", "sums_f1 >")
    late = text.replace("path: sums.jsonl", "path: sums.jsonl\n      at: front")
    with pytest.raises(ConfigError) as caught:
        load_config([f"space={write_space(tmp_path, late)}", "hypotheses.H1.over=all"])
    (problem,) = caught.value.problems
    assert (problem.key, "Pareto front alone" in problem.message) == ("hypotheses.H1.claim", True)
    assert problem.where.endswith(f":{line_of(late, 'H1')}")
    load_config([f"space={write_space(tmp_path, late)}", "hypotheses.H1.over=front"])


@pytest.mark.parametrize(
    ("parameter", "filters", "answered"),
    [
        ("seed={type: int, low: 1, high: 1000000000}", "seed<2", True),
        ("seed={type: int, low: 1, high: 1000000000}", "seed=2000000000", False),
        ("rank={type: int, low: 4, high: 64, step: 20}", "rank>4, rank<24", False),
        ("rank={type: int, low: 4, high: 64, step: 20}", "rank>4, rank<25", True),
        ("rank={type: int, low: 4, high: 64, step: 20}", "rank=44|54", False),
        ("lr={type: float, low: 0.1, high: 0.5}", "lr>0.49", True),
        ("lr={type: float, low: 0.1, high: 0.5}", "lr>0.3, lr<0.301", True),
        ("lr={type: float, low: 0.1, high: 0.5}", "lr>0.3, lr<0.3", False),
        ("alpha={type: expression, value: 2 * 2}", "alpha>5, alpha<5", True),  # nobody knows its values
        ("rank={type: categorical, choices: [2, 4]}", "rank=2], where: {rank: 4}", False),
    ],
)
def test_filters_that_leave_no_trial_are_refused_at_once(
    space: str, parameter: str, filters: str, answered: bool
) -> None:
    claim, _, where = f"retention[{filters}".partition("]")
    words = [space, "hypotheses.H2=null", f"parameters.{parameter}", "trials=none"]
    with pytest.raises(ConfigError) as caught:
        load_config([*words, f"hypotheses.H1={{claim: '{claim}] > 1'{where}}}"])
    refused = [each for each in caught.value.problems if each.key == "hypotheses.H1.claim"]
    assert (not refused) == answered, caught.value.problems
    assert all(len(str(each.hint)) < 60 for each in refused)


def test_a_parameter_with_a_wrong_value_is_one_problem(space: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config([space, "parameters.rank.choices=[0, 4]"])
    assert [each.key for each in caught.value.problems] == ["parameters.rank.choices.0"]


def test_what_only_training_leads_to_is_nothing_of_a_baseline() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(["space=routing", "hypotheses.H5-beyond-chance.claim=base.column_cosine2 < 1"])
    (problem,) = caught.value.problems
    assert "baselines have no column_cosine2" in problem.message
