"""One contract for every registered searcher, and what TPE makes of outcomes."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import SearchConfig
from search.measurement import Outcome
from search.record.events import Params, TrialProposed, TrialStatus, parse_event
from search.searchers import SEARCHERS, Proposal, Searcher, make_searcher
from search.space import SearchSpace, SpaceError

NAMES = list(SEARCHERS)
POINTS: tuple[Params, ...] = (
    {"lr": 1e-3, "rank": 4, "rslora": True},
    {"lr": 1e-4, "rank": 16, "rslora": False, "dropout": 0.0},
)
PARAMETERS = {
    "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2, "points": 4},
    "rank": {"type": "categorical", "choices": [4, 16]},
    "alpha": {"type": "expression", "value": "2 * rank"},
    "rslora": {"type": "categorical", "choices": [True, False, 1]},
    "dropout": {"type": "float", "low": 0, "high": 0.4, "points": 2, "when": "alpha > 8"},
}
ONLY_LR = {"lr": {"type": "log-float", "low": 1e-5, "high": 1e-1, "points": 4}}
# Shares of random points between 1e-3 and 1e-1, and in one decade.
RANDOM_HALF = 0.5
RANDOM_DECADE = 0.25
LOSS = {"metric": "train_loss", "direction": "min"}
RETENTION = {"metric": "retention", "direction": "max", "floor": 0.95}


def make_config(
    name: str,
    *,
    parameters: dict[str, Any] = PARAMETERS,
    points: Sequence[Params] = POINTS,
    objectives: Sequence[dict[str, Any]] = (LOSS, RETENTION),
    startup: int = 3,
    seed: int = 0,
) -> SearchConfig:
    return SearchConfig.model_validate(
        {
            "space": "test",
            "name": "test",
            "seed": seed,
            "model": {"name": "none", "source": "embedded"},
            "task": {"name": "none", "train": "none.jsonl"},
            "capability": {"skills": [{"name": "none", "path": "none.jsonl"}]},
            "parameters": parameters,
            "points": points,
            "objectives": objectives,
            "budget": {"steps": 90},
            "searcher": {"name": name, "startup": startup},
        }
    )


def build(config: SearchConfig) -> tuple[Searcher, SearchSpace]:
    space = SearchSpace(config.parameters, config.fixed)
    return make_searcher(config, space), space


def lr_searcher(**settings: Any) -> Searcher:
    return build(make_config("tpe", parameters=ONLY_LR, points=(), **settings))[0]


def completed(trial: int, loss: float, retention: float) -> Outcome:
    return Outcome(
        trial, "completed", (loss, retention), (loss, retention), rung=2, violations=(0.95 - retention,)
    )


def trade_off(trial: int, lr: float, retention: float) -> Outcome:
    """Ten times the lr lowers the loss by 1 and retention by 0.01."""
    return completed(trial, -math.log10(lr), retention - 0.01 * math.log10(lr / 1e-5))


def lr_of(proposal: Proposal | None) -> float:
    assert proposal is not None
    lr = proposal.sampled["lr"]
    assert isinstance(lr, float)
    return lr


def search(searcher: Searcher, count: int, measure: Callable[[int, float], Outcome]) -> list[float]:
    """Runs one trial after the other; returns their learning rates."""
    rates = []
    for number in range(count):
        rates.append(lr_of(searcher.propose(number)))
        searcher.observe(measure(number, rates[-1]))
    return rates


def late_share(measure: Callable[[int, float], Outcome], low: float, high: float, **settings: Any) -> float:
    """Share of learning rates in (low, high) among trials 20 to 49, over two seeds."""
    rates = [
        lr
        for seed in (0, 1)
        for lr in search(lr_searcher(startup=8, seed=seed, **settings), 50, measure)[20:]
    ]
    return sum(low < lr < high for lr in rates) / len(rates)


def test_all_are_registered() -> None:
    assert set(NAMES) >= {"tpe", "random", "grid", "listed"}
    assert all(SEARCHERS.lines().values())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_proposed_depends_on_results_only_where_a_searcher_says_that_it_learns(name: str) -> None:
    proposed = []
    for better in (1.0, -1.0):
        searcher, _ = build(make_config(name))
        for number in range(10):
            proposal = searcher.propose(number)
            proposed.append(proposal)
            if proposal is not None:
                searcher.observe(completed(number, better * number, 1.0))
    assert (proposed[:10] != proposed[10:]) == SEARCHERS[name].learns


def test_listing_them_imports_nothing_heavy() -> None:
    script = (
        "import sys, search.searchers, search.schedulers;"
        "print([name for name in ('optuna', 'ray', 'torch', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_listed_points_come_first_and_all_proposals_are_in_the_space(name: str) -> None:
    searcher, space = build(make_config(name))
    proposals = [searcher.propose(number) for number in range(12)]
    assert proposals[:2] == [Proposal(dict(point), "listed") for point in POINTS]
    later = [proposal for proposal in proposals[2:] if proposal is not None]
    assert {proposal.origin for proposal in later} <= {"searcher"}
    assert [problem for proposal in later if (problem := space.contains(proposal.sampled))] == []
    assert bool(later) == (name != "listed")


@pytest.mark.parametrize("name", NAMES)
def test_a_listed_point_outside_the_space_is_refused(name: str) -> None:
    with pytest.raises(SpaceError, match=r"points\[1\]: rank 5 is not one of"):
        build(make_config(name, points=[POINTS[0], POINTS[0] | {"rank": 5}]))


@pytest.mark.parametrize("name", NAMES)
def test_quiet(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searcher, _ = build(make_config(name, startup=1))
        for number in range(25):
            if searcher.propose(number) is not None:
                searcher.observe(completed(number, [1.0, 1e308, -1e308][number % 3], 1e200 / (1 + number)))
    assert capfd.readouterr() == ("", "")


_FLOATS = st.one_of(st.floats(0, 3), st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308]))


@st.composite
def outcomes(draws: st.DrawFn, trial: int) -> Outcome:
    """Any outcome, with the odd numbers that broken trials report."""
    status: TrialStatus = draws(st.sampled_from(["completed", "stopped", "diverged", "infeasible", "failed"]))
    values = draws(st.none() | st.tuples(_FLOATS, _FLOATS))
    rung = draws(st.sampled_from([None, 0, 1]))
    return Outcome(trial, status, values if status == "completed" else None, values, rung, (draws(_FLOATS),))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_rebuilt_from_a_record_it_goes_on_as_if_nothing_had_happened(name: str, data: st.DataObject) -> None:
    config = make_config(name, seed=data.draw(st.integers(0, 2**31 - 1), label="seed"))
    searcher, space = build(config)
    rebuilt = make_searcher(config, space)
    history: list[str | Outcome] = []
    running: list[int] = []
    number = 0
    for proposes in data.draw(st.lists(st.booleans(), min_size=4, max_size=24), label="proposes"):
        if proposes and (proposal := searcher.propose(number)) is not None:
            event = TrialProposed(trial=number, sampled=proposal.sampled, params=proposal.sampled)
            history.append(event.model_dump_json())
            running.append(number)
            number += 1
        elif running:
            trial = running.pop(data.draw(st.integers(0, len(running) - 1)))
            outcome = data.draw(outcomes(trial))
            searcher.observe(outcome)
            history.append(outcome)
    for line_or_outcome in history:
        if isinstance(line_or_outcome, Outcome):
            rebuilt.observe(line_or_outcome)
        else:
            recorded = parse_event(line_or_outcome)
            assert isinstance(recorded, TrialProposed)
            rebuilt.replay(recorded.trial, recorded.sampled)
    for _ in range(2):
        assert repr(rebuilt.propose(number)) == repr(searcher.propose(number))
        number += 1


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_proposals_depend_on_the_seed_and_differ_between_numbers(name: str) -> None:
    first, same, other = (build(make_config(name, points=(), seed=seed))[0] for seed in (1, 1, 2))
    proposals = [repr(first.propose(number)) for number in range(5)]
    assert proposals == [repr(same.propose(number)) for number in range(5)]
    assert len({*proposals, *(repr(other.propose(number)) for number in range(5))}) == 10


def test_tpe_draws_anew_for_every_number() -> None:
    proposals = set()
    for number in range(20, 26):
        searcher = lr_searcher(startup=3)
        for trial in range(5):
            searcher.propose(trial)
            searcher.observe(completed(trial, trial, 1.0))
        proposals.add(lr_of(searcher.propose(number)))
    assert len(proposals) == 6


_PROPOSE = """
import sys
from search.config.schema import SearchConfig
from search.measurement import Outcome
from search.searchers import make_searcher
from search.space import SearchSpace

def proposals(config):
    searcher = make_searcher(config, SearchSpace(config.parameters, config.fixed))
    for number in range(12):
        searcher.propose(number)
        searcher.observe(Outcome(number, "completed", (number % 5, 1 - number / 99), violations=(0.0,)))
    return repr([searcher.propose(number) for number in range(12, 15)])

if __name__ == "__main__":
    print(proposals(SearchConfig.model_validate_json(sys.argv[1])))
"""


def test_tpe_does_not_depend_on_string_hashing() -> None:
    config = make_config("tpe")
    here: dict[str, Any] = {"__name__": "here"}
    exec(_PROPOSE, here)
    other = os.environ | {"PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    done = subprocess.run(
        [sys.executable, "-c", _PROPOSE, config.model_dump_json()],
        env=other,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == here["proposals"](config)


def test_grid_ends_after_every_point_and_leaves_out_listed_ones() -> None:
    point = POINTS[0]
    searcher, space = build(make_config("grid", points=[point]))
    proposals = [searcher.propose(number) for number in range(len(space.grid()))]
    assert searcher.propose(len(proposals)) is None
    points = [proposal.sampled for proposal in proposals if proposal is not None]
    assert sorted(map(repr, points)) == sorted(map(repr, space.grid()))
    assert points[0] == point


def test_listed_needs_points() -> None:
    with pytest.raises(SpaceError, match="nothing to propose"):
        build(make_config("listed", points=()))


def test_tpe_starts_with_the_random_searchers_points() -> None:
    tpe, _ = build(make_config("tpe", startup=3))
    rnd, _ = build(make_config("random"))
    for number in range(5):
        assert tpe.propose(number) == rnd.propose(number)
    for number in range(3):
        tpe.observe(completed(number, number, 1))
    assert tpe.propose(5) != rnd.propose(5)


def test_tpe_finds_the_good_region_and_keeps_its_constraint() -> None:
    """Loss falls with lr, retention breaks above 1e-3: what keeps it and has a low loss lies below."""

    def measure(number: int, lr: float) -> Outcome:
        return completed(number, -math.log10(lr), 1 - max(0.0, math.log10(lr / 1e-3)) / 2)

    assert late_share(measure, 1e-4, 1.3e-3) > 1.5 * RANDOM_DECADE


@pytest.mark.parametrize(
    ("status", "others"),
    [
        ("diverged", "completed"),
        ("infeasible", "completed"),
        ("failed", "completed"),
        ("diverged", "stopped"),
    ],
)
def test_tpe_avoids_where_trials_broke(status: TrialStatus, others: str) -> None:
    def measure(number: int, lr: float) -> Outcome:
        if lr > 1e-3:
            return Outcome(number, status)
        return trade_off(number, lr, 1.0) if others == "completed" else Outcome(number, "stopped", rung=0)

    assert late_share(measure, 1e-3, 1e-1) < 0.7 * RANDOM_HALF


@pytest.mark.parametrize("retention", [1.0, 0.5])
def test_tpe_takes_full_budget_over_what_was_stopped_however_well_that_looked(retention: float) -> None:
    def measure(number: int, lr: float) -> Outcome:
        if lr > 1e-3:
            return Outcome(number, "stopped", None, (0.0, 1.0), number % 2, (-0.05,))
        return trade_off(number, lr, retention)

    assert late_share(measure, 1e-3, 1e-1) < 0.7 * RANDOM_HALF


def test_tpe_prefers_what_was_stopped_late_while_nothing_completed() -> None:
    def measure(number: int, lr: float) -> Outcome:
        return Outcome(number, "stopped", None, (1.0, 1.0), int(lr < 1e-3), (-0.05,))

    assert late_share(measure, 1e-3, 1e-1) < 0.7 * RANDOM_HALF


def test_tpe_keeps_away_from_running_trials() -> None:
    def measure(number: int, lr: float) -> Outcome:
        return completed(number, abs(math.log10(lr / 1e-3)), 1.0)

    finished = search(lr_searcher(startup=8), 30, measure)

    def propose(running: list[float]) -> list[float]:
        """Ten proposals, each by a searcher that knows none of the others."""
        proposals = []
        for number in range(50, 60):
            searcher = lr_searcher(startup=8)
            for trial, lr in enumerate([*finished, *running]):
                searcher.replay(trial, {"lr": lr})
                if trial < len(finished):
                    searcher.observe(measure(trial, lr))
            proposals.append(lr_of(searcher.propose(number)))
        return proposals

    alone = propose([])
    middle = statistics.median(alone)
    crowded = propose([middle] * 20)
    near = [sum(middle / 1.5 < lr < middle * 1.5 for lr in rates) for rates in (alone, crowded)]
    assert near[1] < near[0] / 2


def test_tpe_proposals_do_not_depend_on_the_order_of_outcomes() -> None:
    forward, _ = build(make_config("tpe"))
    backward, _ = build(make_config("tpe"))
    for number in range(10):
        proposal = forward.propose(number)
        assert proposal is not None
        backward.replay(number, proposal.sampled)
    told = [completed(number, 1 + number % 4, 0.9 + number / 100) for number in range(10)]
    for outcome, other in zip(told, reversed(told), strict=True):
        forward.observe(outcome)
        backward.observe(other)
    assert forward.propose(10) == backward.propose(10)


def test_tpe_with_one_objective() -> None:
    def measure(number: int, lr: float) -> Outcome:
        return Outcome(number, "completed", (abs(math.log10(lr / 1e-3)),))

    assert late_share(measure, 3e-4, 3e-3, objectives=[LOSS]) > 2 * RANDOM_DECADE


def test_an_outcome_of_an_unknown_trial_is_an_error() -> None:
    with pytest.raises(KeyError):
        build(make_config("tpe"))[0].observe(Outcome(99, "failed"))
