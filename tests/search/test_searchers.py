"""One contract for every registered searcher."""

from __future__ import annotations

import math
import warnings
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import SearchConfig
from search.record import TrialProposed, WarmStarted, parse_event
from search.record.events import Params, TrialStatus
from search.searchers import SEARCHERS, Proposal, Searcher, make_searcher, startup
from search.searchers.base import TrialOutcome
from search.space import SpaceError
from tests.search.searching import MODELS, POINTS, build, completed, each, make_config, warm_started

NAMES = list(SEARCHERS)
# Fitting Gaussian processes takes a hundred times as long as what the others do.
EXAMPLES = {"gp": 2}
TAKEN_OVER: list[Params] = [
    {"lr": 2e-3, "rank": 4, "rslora": 1},
    {"lr": 3e-4, "rank": 16, "rslora": True, "dropout": 0.1},
]


def test_all_are_registered() -> None:
    assert set(NAMES) >= {"tpe", "gp", "nsga2", "nsga3", "qmc", "random", "grid", "listed"}
    assert all(SEARCHERS.lines().values())


@pytest.mark.parametrize("name", each(NAMES))
def test_what_is_proposed_depends_on_results_only_where_a_searcher_says_that_it_learns(name: str) -> None:
    config = make_config(name)
    proposed = []
    for better in (1.0, -1.0):
        searcher, _ = build(config)
        for number in range(10):
            proposal = searcher.propose(number)
            proposed.append(proposal)
            if proposal is not None:
                searcher.observe(completed(number, better * number, 1.0))
    first, second = proposed[:10], proposed[10:]
    certain = startup(config.searcher)
    assert (first != second) == SEARCHERS[name].learns == (certain > 0)
    assert first[:certain] == second[:certain]


@pytest.mark.parametrize("name", each(NAMES))
def test_listed_points_come_first_and_all_proposals_are_in_the_space(name: str) -> None:
    searcher, space = build(make_config(name))
    proposals = []
    for number in range(0, 24, 2):  # numbers between are those of repetitions
        proposals.append(searcher.propose(number))
        if proposals[-1] is not None:
            searcher.observe(completed(number, number % 5, 1 - number / 200))
    assert proposals[:2] == [Proposal(dict(point), "listed") for point in POINTS]
    later = [proposal for proposal in proposals[2:] if proposal is not None]
    assert {proposal.origin for proposal in later} <= {"searcher"}
    assert [problem for proposal in later if (problem := space.contains(proposal.sampled))] == []
    assert bool(later) == (name != "listed")


@pytest.mark.parametrize("name", NAMES)
def test_points_of_an_earlier_search_come_after_listed_ones(name: str) -> None:
    searcher, _ = build(make_config(name))
    taken_over = [dict(reversed(POINTS[1].items())), *TAKEN_OVER]
    searcher.begin(warm_started("points", [(point, (1.0, 1.0)) for point in taken_over]))
    proposals = [searcher.propose(number) for number in range(5)]
    assert proposals[:4] == [
        *(Proposal(dict(point), "listed") for point in POINTS),
        *(Proposal(dict(point), "warm_start") for point in TAKEN_OVER),
    ]
    assert proposals[4] not in proposals[:4]


@pytest.mark.parametrize("name", NAMES)
def test_a_listed_point_outside_the_space_is_refused(name: str) -> None:
    with pytest.raises(SpaceError, match=r"points\[1\]: rank 5 is not one of"):
        build(make_config(name, points=[POINTS[0], POINTS[0] | {"rank": 5}]))


@pytest.mark.parametrize("name", each(NAMES))
def test_quiet(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searcher, _ = build(make_config(name, startup=1))
        for number in range(12 if name == "gp" else 25):
            if searcher.propose(number) is not None:
                searcher.observe(completed(number, [1.0, 1e308, -1e308][number % 3], 1e200 / (1 + number)))
    assert capfd.readouterr() == ("", "")


_BROKEN = [
    TrialOutcome(0, "diverged"),
    TrialOutcome(0, "failed", ((1.0, 1.0),)),
    TrialOutcome(0, "infeasible"),
    TrialOutcome(0, "completed", ((1.0, 1.0), (math.nan, 1.0))),
    TrialOutcome(0, "completed", ((1.0, 1.0), (math.inf, -math.inf))),
    TrialOutcome(0, "stopped", ((math.nan, math.nan),)),
    TrialOutcome(0, "stopped"),
]


@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        *product(("tpe", "nsga2", "nsga3"), ("pending", "projected", "rung", "worse")),
        pytest.param("gp", "projected", marks=pytest.mark.integration),
    ],
)
def test_trials_that_break_never_wedge_it(name: str, stopped: str) -> None:
    searcher, space = build(make_config(name, stopped=stopped, points=()))
    for number in range(14):
        proposal = searcher.propose(number)
        assert proposal is not None
        assert space.contains(proposal.sampled) is None
        kind = _BROKEN[number % len(_BROKEN)]
        searcher.observe(TrialOutcome(number, kind.status, kind.rungs))


_FLOATS = st.one_of(st.floats(0, 3), st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308]))


@st.composite
def outcomes(draws: st.DrawFn, trial: int) -> TrialOutcome:
    """Any outcome, with the odd numbers that broken trials report."""
    statuses: list[TrialStatus] = ["completed", "stopped", "diverged", "infeasible", "failed"]
    status = draws(st.sampled_from(statuses))
    counts = (3, 3) if status == "completed" else (0, 2)
    rungs = st.lists(st.tuples(_FLOATS, _FLOATS), min_size=counts[0], max_size=counts[1])
    return TrialOutcome(trial, status, tuple(draws(rungs)))


def _check_rebuilt(name: str, data: st.DataObject) -> None:
    stopped = data.draw(st.sampled_from(["projected", "rung", "worse"]), label="stopped")
    options: dict[str, Any] = {"stopped": stopped} if SEARCHERS[name].learns else {}
    seed = data.draw(st.integers(0, 2**31 - 1), label="seed")
    config = make_config(name, seed=seed, **options)
    searcher, space = build(config)
    rebuilt = make_searcher(config, space)
    history: list[str | TrialOutcome] = []
    use = data.draw(st.sampled_from(["points", "prior", None]), label="warm start")
    if use is not None:
        event = warm_started(use, [(TAKEN_OVER[0], (1.0, 1.0)), (TAKEN_OVER[1], None)])
        searcher.begin(event)
        history.append(event.model_dump_json())
    running: list[int] = []
    number = 0
    for proposes in data.draw(st.lists(st.booleans(), min_size=4, max_size=30), label="proposes"):
        if proposes and (proposal := searcher.propose(number)) is not None:
            point, origin = proposal.sampled, proposal.origin
            proposed = TrialProposed(trial=number, sampled=point, params=point, origin=origin)
            history.append(proposed.model_dump_json())
            running.append(number)
            number += data.draw(st.integers(1, 2))
        elif running:
            trial = running.pop(data.draw(st.integers(0, len(running) - 1)))
            outcome = data.draw(outcomes(trial))
            history.append(outcome)
            searcher.observe(outcome)
    for entry in history:
        if isinstance(entry, TrialOutcome):
            rebuilt.observe(entry)
            continue
        recorded = parse_event(entry)
        if isinstance(recorded, WarmStarted):
            rebuilt.begin(recorded)
        elif isinstance(recorded, TrialProposed):
            rebuilt.replay(recorded.trial, recorded.sampled, recorded.origin)
    for _ in range(2):
        assert repr(rebuilt.propose(number)) == repr(searcher.propose(number))
        number += 1


@pytest.mark.parametrize("name", each(NAMES))
def test_rebuilt_from_a_record_it_goes_on_as_if_nothing_had_happened(name: str) -> None:
    @settings(max_examples=EXAMPLES.get(name, 20), deadline=None)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        _check_rebuilt(name, data)

    check()


@pytest.mark.parametrize("name", each(name for name in NAMES if name not in ("grid", "listed")))
def test_proposals_depend_on_the_seed_and_differ_between_numbers(name: str) -> None:
    first, same, other = (build(make_config(name, points=(), seed=seed))[0] for seed in (1, 1, 2))
    proposals = [repr(first.propose(number)) for number in range(5)]
    assert proposals == [repr(same.propose(number)) for number in range(5)]
    assert len({*proposals, *(repr(other.propose(number)) for number in range(5))}) == 10


@pytest.mark.parametrize("name", MODELS)
def test_an_outcome_of_an_unknown_trial_is_an_error(name: str) -> None:
    with pytest.raises(KeyError):
        build(make_config(name))[0].observe(TrialOutcome(99, "failed"))


@pytest.mark.parametrize("name", each(MODELS))
def test_models_start_with_the_random_searchers_points(name: str) -> None:
    searcher, _ = build(make_config(name, startup=4))
    rnd, _ = build(make_config("random"))
    for number in range(6):
        assert searcher.propose(number) == rnd.propose(number)
    for number in range(4):
        searcher.observe(completed(number, number, 1))
    assert searcher.propose(6) != rnd.propose(6)


def _begun(config: SearchConfig, lr: float | None) -> Searcher:
    """A searcher that begins with four priors near a learning rate, or with none."""
    searcher, _ = build(config)
    if lr is not None:
        points: list[Params] = [
            {"lr": lr * (1 + trial / 10), "rank": 4, "rslora": True} for trial in range(4)
        ]
        sign = 1 if lr < 1e-3 else -1  # one says to go lower, the other higher
        losses = [sign * trial for trial in range(4)]
        searcher.begin(
            warm_started("prior", [(p, (loss, 1.0)) for p, loss in zip(points, losses, strict=True)])
        )
    return searcher


@pytest.mark.parametrize("name", each(MODELS))
def test_priors_stand_in_for_random_trials_and_are_dropped_after_them(name: str) -> None:
    config = make_config(name, points=(), startup=4)
    priors = (2e-5, 5e-3, None)
    assert len({repr(_begun(config, lr).propose(0)) for lr in priors}) == 3
    own, _ = build(make_config("random", points=(), seed=1))
    later = set()
    for lr in priors:
        searcher = _begun(config, lr)
        for number in range(4):
            proposal = own.propose(number)
            assert proposal is not None
            searcher.replay(number, proposal.sampled)
            searcher.observe(completed(number, number % 3, 1.0 - number / 500))
        later.add(repr(searcher.propose(9)))
    assert len(later) == 1


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


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
def test_quasi_random_points_are_spread_more_evenly_than_random_ones(sequence: str) -> None:
    parameters = {
        "a": {"type": "float", "low": 0, "high": 1},
        "b": {"type": "log-float", "low": 1e-4, "high": 1},
        "c": {"type": "categorical", "choices": ["x", "y"]},
        "d": {"type": "int", "low": 1, "high": 7, "step": 2},
    }
    cells: dict[str, int] = {}
    options: dict[str, dict[str, Any]] = {"qmc": {"sequence": sequence}, "random": {}}
    for name in options:
        searcher, _ = build(make_config(name, parameters=parameters, points=(), **options[name]))
        found = set()
        for number in range(64):
            proposal = searcher.propose(number)
            assert proposal is not None
            a, b, c, d = proposal.sampled.values()
            assert isinstance(a, float)
            assert isinstance(b, float)
            found.add((int(a * 4), int(-math.log10(b)), c, d))
        cells[name] = len(found)
    assert cells["qmc"] > cells["random"]
