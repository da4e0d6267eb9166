"""Our own searches in the benchmark of search quality, and its comparison of methods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_quality import ours
from benchmarks.search_quality.comparison import Run, Task, run, standings
from benchmarks.search_quality.record_table import retimed
from benchmarks.search_quality.simulation import trajectory
from benchmarks.search_quality.table import combined, figure, tables
from benchmarks.search_quality.workloads import WORKLOADS

WORKERS = 4


def reached(workload: str, method: str, seeds: int, budget: float = 40) -> float:
    """Mean share of the best hypervolume."""
    tasks = [Task(workload, method, seed, (budget,), WORKERS) for seed in range(seeds)]
    return float(np.mean([run(task).shares[-1] for task in tasks]))


@pytest.mark.parametrize(("name", "count", "objectives"), [("recorded", 150, 2), ("belief", 80, 3)])
def test_a_committed_table_is_whole(name: str, count: int, objectives: int) -> None:
    workload = WORKLOADS[name]()
    assert workload.candidates is not None
    assert len(workload.candidates) == count
    assert workload.rungs == (10, 30, 90)
    differ = 0
    for params in workload.candidates:
        first, second = workload.run(params, 0), workload.run(params, 1)
        assert first.values.shape == (3, objectives)
        assert (first.train_costs > 0).all()
        differ += not np.array_equal(first.values, second.values)
    assert differ > count / 2, "two seeds"
    assert workload.share(workload.candidates) == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["tightrope-random", "tightrope-tpe", "tightrope-promotion"])
def test_a_simulated_search_keeps_to_the_budget_and_is_the_same_again(method: str) -> None:
    workload = WORKLOADS["recorded"]()
    budget = 9 * workload.full_cost
    first, again = (ours.run(workload, method, seed=3, budget=budget, workers=WORKERS) for _ in range(2))
    assert first == again
    # Whatever is in training when the limit is reached ends at its next rung.
    slowest = max(float(workload.run(params, 0).costs[-1]) for params in workload.candidates or ())
    assert sum(trial.cost for trial in first) <= budget + WORKERS * slowest
    assert 0 < trajectory(workload, first, [float("inf")])[0] < 1


@pytest.mark.integration
def test_a_learned_share_does_no_harm_where_early_values_mislead_and_gains_where_they_tell() -> None:
    full, learned, fixed = (
        reached("misleading", method, seeds=10)
        for method in ("tightrope-random-full", "tightrope-random", "tightrope-random-fixed")
    )
    assert fixed < 0.85 * full, "the curves are to mislead the fixed share"
    assert learned > 0.93 * full
    assert reached("benign", "tightrope-random", seeds=10) > 1.03 * reached(
        "benign", "tightrope-random-full", 10
    )


def test_methods_are_compared_with_the_best_and_with_random_search() -> None:
    values = {"best": 0.9, "near": 0.9, "random": 0.7, "bad": 0.4}
    runs = [
        Run("w", method, seed, (0.1, value + 0.001 * seed), 5, 3, 1.0)
        for method, value in values.items()
        for seed in range(10)
    ]
    found = {one.method: one for one in standings(runs, (1, 2)) if one.budget == 2}
    assert {name for name, one in found.items() if one.best} == {"best", "near"}
    assert found["bad"].p_random < 0.01
    assert not found["best"].p_random < 0.5
    assert found["random"].mean == pytest.approx(0.7045)


def test_the_tables_and_the_figure_show_every_method(tmp_path: Path) -> None:
    runs = [Run("w", m, s, (0.1 * s, 0.2 * s), 5, 3, 1.0) for m in ("tightrope", "random") for s in range(4)]
    result = {
        "standings": [vars(one) for one in standings(runs, (5.0, 10.0))],
        "seconds": {"w tightrope": 2.0, "w random": 0.1},
    }
    result = json.loads(json.dumps(result))
    text = "\n".join(tables(result))
    assert "| method | 5 trainings | 10 trainings | CPU s a search |" in text
    assert "| random | **0.150 ± 0.065** | **0.300 ± 0.129** | 0.1 |" in text
    figure(result, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_methods_are_compared_over_the_logs_of_several_runs() -> None:
    runs = [Run("w", m, s, (0.1 * s,), 5, 3, 1.0) for m in ("tightrope", "random") for s in range(4)]
    whole = [vars(one) for one in standings(runs, (5.0,))]
    logs = [
        {"standings": [vars(one) for one in standings(part, (5.0,))], "runs": [vars(run) for run in part]}
        for part in (runs[:4], runs[3:])
    ]
    assert str(combined(json.loads(json.dumps(logs)))["standings"]) == str(whole)
    logs[1]["standings"] = [{**row, "budget": 6.0} for row in logs[1]["standings"]]
    with pytest.raises(ValueError, match="other budgets"):
        combined(logs)


def test_times_may_come_from_another_search() -> None:
    row: dict[str, object] = {
        "rank": 8,
        "rung": 0,
        "train_seconds": 30.0,
        "eval_seconds": 9.0,
        "train_loss": 2.0,
    }
    timed = [row | {"train_seconds": seconds, "eval_seconds": 1.0} for seconds in (1.0, 2.0, 9.0)]
    assert list(retimed([row], timed)) == [row | {"train_seconds": 2.0, "eval_seconds": 1.0}]
    with pytest.raises(KeyError, match="rank 8"):
        list(retimed([row], [timed[0] | {"rank": 4}]))
