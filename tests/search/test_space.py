from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from search.config.space import Parameter
from search.expressions import ExpressionError
from search.record.events import Params
from search.searchers.draw import draw
from search.space import SearchSpace, SpaceError, declaration_problems

_ADAPTER: TypeAdapter[dict[str, Parameter]] = TypeAdapter(dict[str, Parameter])


def declare(**parameters: dict[str, Any]) -> dict[str, Parameter]:
    return _ADAPTER.validate_python(parameters)


def make_space(fixed: Params | None = None, **parameters: dict[str, Any]) -> SearchSpace:
    return SearchSpace(declare(**parameters), fixed or {})


LR = {"type": "log-float", "low": 1e-5, "high": 1e-2, "points": 4}
RANK = {"type": "categorical", "choices": [4, 16]}
DROPOUT = {"type": "float", "low": 0, "high": 0.4, "points": 3, "when": "rank >= 16"}
ALPHA = {"type": "expression", "value": "2 * rank"}


@st.composite
def spaces(draws: st.DrawFn) -> SearchSpace:
    """Two to four parameters, each perhaps with a condition on the ones before."""
    parameters: dict[str, dict[str, Any]] = {"p0": {"type": "categorical", "choices": [1, 2.5, "a", True]}}
    for index in range(1, draws(st.integers(2, 4))):
        low = draws(st.integers(1, 5))
        high = low + draws(st.integers(0, 6))
        parameter: dict[str, Any] = draws(
            st.sampled_from(
                [
                    {"type": "int", "low": low, "high": high, "step": 1 + high % 3},
                    {"type": "float", "low": low / 3, "high": high, "points": 3},
                    {"type": "log-float", "low": low / 7, "high": high * 11, "points": 2},
                    {"type": "categorical", "choices": [None, False, 0]},
                ]
            )
        )
        conditions = [f"p{earlier} != {draws(st.integers(0, 3))}" for earlier in range(index)]
        parameters[f"p{index}"] = parameter | {"when": draws(st.sampled_from([None, *conditions]))}
    return make_space(**parameters)


def test_walk_leaves_out_what_is_not_active_and_computes_in_between() -> None:
    space = make_space(
        {"batch_size": 8},
        rank=RANK,
        alpha=ALPHA,
        dropout={"type": "float", "low": 0, "high": 1, "when": "alpha > 8 and batch_size == 8"},
        decay={"type": "float", "low": 0, "high": 1, "when": "dropout > 0"},
    )
    asked: list[str] = []

    def pick(rank: int) -> Params:
        def choose(name: str, parameter: Any) -> Any:
            asked.append(name)
            return rank if name == "rank" else 0.5

        return space.walk(choose)

    assert pick(16) == {"rank": 16, "dropout": 0.5, "decay": 0.5}
    # The condition of decay needs dropout, which is not active.
    assert pick(4) == {"rank": 4}
    assert asked == ["rank", "dropout", "decay", "rank"]


def test_resolve_gives_all_parameters_of_a_trial() -> None:
    space = make_space(
        {"batch_size": 8},
        rank=RANK,
        dropout=DROPOUT,
        alpha={"type": "expression", "value": "2 * rank if rank > 4 else batch_size"},
        warmup={"type": "expression", "value": "dropout / 2"},
    )
    params = space.resolve({"rank": 16, "dropout": 0.2}, trial=3, seed=7)
    seed = params.pop("seed")
    assert params == {"rank": 16, "dropout": 0.2, "alpha": 32, "warmup": 0.1, "batch_size": 8}
    assert space.resolve({"rank": 4}, trial=3, seed=7) == {
        "rank": 4,
        "alpha": 8,
        "batch_size": 8,
        "seed": seed,
    }


def test_a_trials_seed_is_derived_unless_the_space_gives_one() -> None:
    space = make_space(rank=RANK)
    seeds = [space.resolve({"rank": 4}, trial, seed)["seed"] for seed in range(10) for trial in range(20)]
    assert len(set(seeds)) == 200
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    assert seeds[0] == space.resolve({"rank": 16}, 0, 0)["seed"]
    assert make_space({"seed": 5}, rank=RANK).resolve({"rank": 4}, 1, 1)["seed"] == 5
    sampled = make_space(seed={"type": "int", "low": 0, "high": 3})
    assert sampled.resolve({"seed": 2}, 1, 1)["seed"] == 2


def test_grid_has_every_combination_and_applies_conditions() -> None:
    grid = make_space(lr=LR, rank=RANK, dropout=DROPOUT, alpha=ALPHA).grid()
    assert len(grid) == 4 * (1 + 3)
    assert grid[:5] == [
        {"lr": 1e-5, "rank": 4},
        {"lr": 1e-5, "rank": 16, "dropout": 0.0},
        {"lr": 1e-5, "rank": 16, "dropout": 0.2},
        {"lr": 1e-5, "rank": 16, "dropout": 0.4},
        {"lr": 1e-4, "rank": 4},
    ]
    assert [point["lr"] for point in grid[::4]] == [1e-5, 1e-4, 1e-3, 1e-2]


def test_grid_values_at_the_edges() -> None:
    assert make_space(a={"type": "int", "low": 1, "high": 8, "step": 3}).grid() == [
        {"a": 1},
        {"a": 4},
        {"a": 7},
    ]
    assert make_space(a={"type": "log-float", "low": 1, "high": 100, "points": 1}).grid() == [{"a": 10}]
    assert make_space(a={"type": "float", "low": 2, "high": 2}).grid() == [{"a": 2}]


def test_grid_refuses_ranges_without_points_and_explosions() -> None:
    with pytest.raises(SpaceError, match="dropout"):
        make_space(dropout={"type": "float", "low": 0, "high": 1}).grid()
    wide = {"type": "int", "low": 0, "high": 999}
    with pytest.raises(SpaceError, match="100,000"):
        make_space(a=wide, b=wide).grid()


@pytest.mark.parametrize("when", [None, "rank >= 16"])
@pytest.mark.parametrize(
    "vast",
    [
        {"type": "float", "low": 0, "high": 1, "points": 10**9},
        {"type": "int", "low": 0, "high": 10**12},
    ],
)
def test_a_vast_grid_is_refused_by_its_counts(vast: dict[str, Any], when: str | None) -> None:
    with pytest.raises(
        SpaceError, match=r"parameters\.vast has 1,000,000,00.*, parameters\.rank has 2 "
    ) as caught:
        make_space(rank=RANK, vast=vast | {"when": when}).grid()
    assert caught.value.exit_code == 2


def test_whole_numbers_beyond_every_float_are_compared() -> None:
    space = make_space(a={"type": "int", "low": 1, "high": 9}, b={"type": "float", "low": 0, "high": 1})
    assert "is outside 1 to 9" in str(space.contains({"a": 10**400, "b": 0.5}))
    assert "is outside 0 to 1" in str(space.contains({"a": 1, "b": 10**400}))
    assert "is outside 0 to 1" in str(space.contains({"a": 1, "b": float("nan")}))


@settings(max_examples=40)
@given(spaces())
def test_grid_points_are_distinct_and_in_the_space(space: SearchSpace) -> None:
    grid = space.grid()
    assert len({repr(point) for point in grid}) == len(grid)
    assert [problem for point in grid if (problem := space.contains(point))] == []


@settings(max_examples=40)
@given(spaces(), st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_random_points_are_in_the_space(space: SearchSpace, seed: int, number: int) -> None:
    point = draw(space, seed, number)
    assert space.contains(point) is None
    assert draw(space, seed, number) == point


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"lr": 1e-3, "rank": 4}, None),
        ({"lr": 1e-3, "rank": 16, "dropout": 0, "step": 6}, None),
        ({"lr": 1e-3}, "rank is missing"),
        ({"lr": 1e-3, "rank": 16}, "dropout is missing"),
        ({"lr": 1e-3, "rang": 4}, "did you mean rank"),
        ({"lr": 1e-3, "rank": 4, "alpha": 8}, "alpha is not a searched parameter"),
        ({"lr": 1e-3, "rank": 4, "dropout": 0.1}, "its condition `rank >= 16` does not hold"),
        ({"lr": 1, "rank": 4}, "outside 1e-05 to 0.01"),
        ({"lr": float("nan"), "rank": 4}, "outside"),
        ({"lr": "1e-3", "rank": 4}, "not a number"),
        ({"lr": True, "rank": 4}, "not a number"),
        ({"lr": 1e-3, "rank": 4.0}, "not one of 4, 16"),
        ({"lr": 1e-3, "rank": 16, "dropout": 0, "step": 5}, "not 2 plus a multiple of 2"),
        ({"lr": 1e-3, "rank": 16, "dropout": 0, "step": 4.0}, "not a whole number"),
    ],
)
def test_contains_says_why_not(point: Params, problem: str | None) -> None:
    step = {"type": "int", "low": 2, "high": 8, "step": 2, "when": "rank == 16"}
    found = make_space(lr=LR, rank=RANK, dropout=DROPOUT, step=step, alpha=ALPHA).contains(
        {"step": 2, **point} if problem == "dropout is missing" else point
    )
    if problem is None:
        assert found is None
    else:
        assert problem in str(found)


def test_declaration_problems_are_all_found() -> None:
    parameters = declare(
        rank=RANK | {"when": "alpha > 8"},
        alpha=ALPHA | {"value": "2 * rnk"},
        dropout=DROPOUT | {"when": "rank >="},
        lr=LR,
    )
    problems = {key: message for key, message, _ in declaration_problems(parameters, {"lr": 1})}
    assert problems.keys() == {"rank.when", "alpha.value", "dropout.when", "lr"}
    assert "declared before" in problems["rank.when"]
    assert "did you mean 'rank'" in problems["alpha.value"]
    with pytest.raises(SpaceError, match=r"parameters\.rank\.when"):
        SearchSpace(parameters, {})


def test_a_condition_that_cannot_be_computed_says_so() -> None:
    space = make_space(a={"type": "int", "low": 0, "high": 1}, b=LR | {"when": "1 / a > 0"})
    with pytest.raises(ExpressionError, match="divides by zero"):
        space.walk(lambda name, parameter: 0)
    assert "divides by zero" in str(space.contains({"a": 0}))
