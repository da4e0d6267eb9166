"""What the searchers that fit a model make of outcomes."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from search.record.events import TrialStatus
from search.searchers.base import TrialOutcome
from tests.search.searching import (
    LOSS,
    build,
    completed,
    each,
    lr_of,
    lr_searcher,
    make_config,
    search,
    trade_off,
)

# Shares of random points between 1e-3 and 1e-1, and in one decade.
RANDOM_HALF = 0.5
RANDOM_DECADE = 0.25
# Trials of a search, and those of them that are drawn before the model has learned much.
LENGTHS = {"gp": (20, 10), "nsga2": (90, 40), "nsga3": (90, 40)}
OPTIONS: dict[str, dict[str, int]] = {"nsga2": {"population": 8}, "nsga3": {"population": 8}}


def late_share(
    name: str, measure: Callable[[int, float], TrialOutcome], low: float, high: float, **settings: Any
) -> float:
    """Share of learning rates in (low, high) among later trials, over several seeds."""
    count, early = LENGTHS.get(name, (50, 20))
    rates: list[float] = []
    for seed in (0,) if name == "gp" else (0, 1):
        searcher = lr_searcher(name, startup=8, seed=seed, **OPTIONS.get(name, {}), **settings)
        rates += search(searcher, count, measure)[early:]
    return sum(low < lr < high for lr in rates) / len(rates)


@pytest.mark.parametrize("name", each(["tpe", "gp", "nsga2", "nsga3"]))
def test_finds_the_good_region_and_keeps_its_constraint(name: str) -> None:
    """Loss falls with lr, retention breaks above 1e-3: what keeps it and has a low loss lies below."""

    def measure(number: int, lr: float) -> TrialOutcome:
        return completed(number, -math.log10(lr), 1 - max(0.0, math.log10(lr / 1e-3)) / 2)

    assert late_share(name, measure, 1e-4, 1.3e-3) > 1.5 * RANDOM_DECADE


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *product(("tpe", "nsga2"), ("diverged", "infeasible", "failed")),
        pytest.param("gp", "diverged", marks=pytest.mark.integration),
    ],
)
def test_avoids_where_trials_broke(name: str, status: TrialStatus) -> None:
    def measure(number: int, lr: float) -> TrialOutcome:
        return TrialOutcome(number, status) if lr > 1e-3 else trade_off(number, lr, 1.0)

    assert late_share(name, measure, 1e-3, 1e-1) < 0.7 * RANDOM_HALF


def test_avoids_where_trials_broke_while_the_others_were_stopped() -> None:
    def measure(number: int, lr: float) -> TrialOutcome:
        return (
            TrialOutcome(number, "diverged") if lr > 1e-3 else TrialOutcome(number, "stopped", ((1.0, 1.0),))
        )

    assert late_share("tpe", measure, 1e-3, 1e-1) < 0.7 * RANDOM_HALF


@pytest.mark.parametrize("retention", [1.0, 0.5])
@pytest.mark.parametrize("stopped", ["worse", "projected"])
def test_takes_full_budget_over_what_was_stopped_however_well_that_looked(
    retention: float, stopped: str
) -> None:
    def measure(number: int, lr: float) -> TrialOutcome:
        if lr > 1e-3:
            return TrialOutcome(number, "stopped", ((0.0, 1.0),) * (1 + number % 2))
        return trade_off(number, lr, retention)

    assert late_share("tpe", measure, 1e-3, 1e-1, stopped=stopped) < 0.7 * RANDOM_HALF


def test_prefers_what_was_stopped_late_while_nothing_completed() -> None:
    def measure(number: int, lr: float) -> TrialOutcome:
        return TrialOutcome(number, "stopped", ((1.0, 1.0),) * (2 if lr < 1e-3 else 1))

    assert late_share("tpe", measure, 1e-3, 1e-1) < 0.7 * RANDOM_HALF


@pytest.mark.parametrize(
    ("name", "stopped", "learns"),
    [
        ("tpe", "projected", True),
        ("tpe", "rung", True),
        ("tpe", "worse", False),
        ("nsga2", "projected", True),
        ("nsga2", "rung", True),
    ],
)
def test_learns_from_the_values_of_stopped_trials_where_it_says_so(
    name: str, stopped: str, learns: bool
) -> None:
    """Trials are stopped by chance; where most of them are, their values tell where the good ones lie."""

    def measure(number: int, lr: float) -> TrialOutcome:
        loss = abs(math.log10(lr / 3e-4))
        rungs = ((loss + 2, 1.0), (loss + 1, 1.0), (loss, 1.0))
        return (
            TrialOutcome(number, "completed", rungs)
            if number % 6 == 0
            else TrialOutcome(number, "stopped", rungs[:1])
        )

    share = late_share(name, measure, 1e-4, 1e-3, stopped=stopped)
    assert (share > 1.6 * RANDOM_DECADE) == learns, share


@pytest.mark.parametrize("name", each(["tpe", "gp"]))
def test_keeps_away_from_running_trials(name: str) -> None:
    def measure(number: int, lr: float) -> TrialOutcome:
        return completed(number, abs(math.log10(lr / 1e-3)), 1.0)

    finished = search(lr_searcher(startup=8), 30, measure)

    def propose(running: list[float]) -> list[float]:
        """Ten proposals, each by a searcher that knows none of the others."""
        proposals = []
        for number in range(50, 54 if name == "gp" else 60):
            searcher = lr_searcher(name, startup=8)
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
        backward.replay(number, proposal.sampled, proposal.origin)
    outcomes = [completed(number, 1 + number % 4, 0.9 + number / 100) for number in range(10)]
    for outcome, other in zip(outcomes, reversed(outcomes), strict=True):
        forward.observe(outcome)
        backward.observe(other)
    assert forward.propose(10) == backward.propose(10)


@pytest.mark.parametrize("name", each(["tpe", "gp", "nsga2", "nsga3"]))
def test_one_objective(name: str) -> None:
    def measure(number: int, lr: float) -> TrialOutcome:
        return TrialOutcome(number, "completed", ((abs(math.log10(lr / 1e-3)),),))

    assert late_share(name, measure, 3e-4, 3e-3, objectives=[LOSS]) > 1.6 * RANDOM_DECADE


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
from search.searchers import make_searcher
from search.searchers.base import TrialOutcome
from search.space import SearchSpace

def proposals(config):
    searcher = make_searcher(config, SearchSpace(config.parameters, config.fixed))
    for number in range(12):
        searcher.propose(number)
        searcher.observe(TrialOutcome(number, "completed", ((number % 5, 1 - number / 99),)))
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
