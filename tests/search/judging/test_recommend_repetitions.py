"""The recommendation by repetitions, in words."""

from __future__ import annotations

from typing import Any

import pytest

from search.judging.recommend import recommend
from search.record import Event, SearchState
from tests.records import make_config, opening_events, trial_events
from trainables.interval import Interval

SURE = {"retention": Interval(low=0.96, high=1.0, n=2000)}


class Search:
    """Builds a search with candidates and their repetitions."""

    def __init__(self, **changes: Any) -> None:
        self.events: list[Event] = opening_events(make_config(**changes))
        self.numbers = 0

    def trial(self, loss: float, retention: float = 0.99, **more: Any) -> int:
        metrics = {"train_loss": loss, "retention": retention}
        self.events += trial_events(self.numbers, metrics, **({"intervals": SURE} | more))
        self.numbers += 1
        return self.numbers - 1

    def repeat(self, number: int, *points: tuple[float, float], **more: Any) -> None:
        for loss, retention in points:
            self.trial(loss, retention, repeats=number, **more)

    @property
    def state(self) -> SearchState:
        return SearchState.from_events(self.events)


def test_a_clear_winner_is_recommended_with_its_means() -> None:
    search = Search()
    lucky, steady, third = search.trial(1.0), search.trial(1.2), search.trial(1.3)
    search.repeat(lucky, (1.500, 0.99), (1.502, 0.99))
    search.repeat(steady, (1.200, 0.98), (1.202, 0.98))
    search.repeat(third, (1.300, 0.98), (1.302, 0.98))
    found = recommend(search.state)
    assert found.trial == steady, "the best search run was lucky"
    assert found.reason == (
        "train_loss 1.201 [1.198, 1.204], mean of 2 repetitions with new seeds, the lowest train_loss of the "
        "3 candidates whose retention is at least 0.95, by more than noise"
    )
    assert found.settings == "lr 1.0e-03, rank 8; 90 steps"
    (held,) = found.constraints
    assert str(held) == "retention >= 0.95: kept, 0.98 [0.96, 1.00]"
    assert found.deciding is None
    assert len(found.caveats) == 1
    assert "selected for being good" in found.caveats[0]


def tie(first: dict[str, Any], second: dict[str, Any], seconds: tuple[float, float] = (3.0, 3.0)) -> Search:
    search = Search()
    for sampled in (first, second):
        search.trial(1.0, sampled=sampled)
    search.repeat(0, (1.50, 0.99), (1.60, 0.99), sampled=first, train_seconds=seconds[0])
    search.repeat(1, (1.51, 0.99), (1.62, 0.99), sampled=second, train_seconds=seconds[1])
    return search


def test_of_a_tie_the_smaller_adapter_is_taken() -> None:
    found = recommend(tie({"lr": 1e-3, "rank": 16}, {"lr": 1e-3, "rank": 4}, (3.0, 9.0)).state)
    assert found.trial == 1
    assert "There is a tie: the train_loss of trials 0 and 1 differs by no more than noise" in found.reason
    assert "(the lowest mean is 1.55 [" in found.reason
    assert found.reason.endswith(
        "of trial 0); trial 1 is chosen because its adapter is the smallest (rank 4 against 16)"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"rank": 8}, {"rank": 8}),
        ({"rank": 16, "target_modules": "attention"}, {"rank": 32, "target_modules": "mlp"}),
        ({"rank": 16, "layers": None}, {"rank": 32, "layers": 2}),
        ({}, {"rank": 32}),
    ],
)
def test_where_ranks_do_not_tell_the_faster_is_taken(first: dict[str, Any], second: dict[str, Any]) -> None:
    found = recommend(tie(first, second, (4.0, 3.0)).state)
    assert found.trial == 1
    assert "it trains fastest (3.0 s on average)" in found.reason
    alike = recommend(tie(first, second, (3.1, 3.0)).state)
    assert alike.trial == 0
    assert "none is clearly cheaper and its mean is the best" in alike.reason


def test_a_candidate_that_breaks_the_floor_is_out_and_said_to_be() -> None:
    search = Search()
    broken, kept = search.trial(1.0, 0.96), search.trial(2.0)
    search.repeat(broken, (1.0, 0.90), (1.0, 0.94))
    search.repeat(kept, (2.0, 0.99), (2.0, 0.99))
    found = recommend(search.state)
    assert found.trial == kept
    assert "the only candidate whose retention is at least 0.95" in found.reason
    assert found.caveats[0].startswith(
        "Trial 0 is ruled out: its repetitions break retention >= 0.95 (retention 0.92 ["
    )


def test_where_every_candidate_breaks_the_floor_none_is_recommended() -> None:
    search = Search()
    one, other = search.trial(1.0, 0.96), search.trial(2.0, 0.96)
    search.repeat(one, (1.0, 0.90), (1.0, 0.94))
    search.repeat(other, (2.0, 0.93), (2.0, 0.94))
    found = recommend(search.state)
    assert (found.trial, found.nearest) == (None, other)
    assert "No candidate holds up when trained again with new seeds" in found.reason
    assert "lr below 1.0e-03" in found.reason


def test_a_floor_that_is_not_shown_to_be_kept_says_what_would_show_it() -> None:
    search = Search(confirm={"candidates": 1, "seeds": 2})
    number = search.trial(1.0)
    around = {"retention": Interval(0.969, 0.981, 4000)}
    search.repeat(number, (1.0, 0.970), (1.0, 0.980), intervals=around)
    found = recommend(search.state)
    (held,) = found.constraints
    assert held.word == "not shown to be kept"
    assert held.decide is not None
    assert held.repetitions is not None
    assert f"{held.repetitions} seeds in place of 2 would decide it with a probability of 80%" in held.decide
    assert found.deciding == ("confirm.seeds", held.repetitions)
    more = Search(confirm={"candidates": 1, "seeds": 2})
    more.trial(1.0)
    points = [(1.0, 0.970 if seed % 2 else 0.980) for seed in range(held.repetitions)]
    more.repeat(0, *points, intervals=around)
    assert [each.word for each in recommend(more.state).constraints] == ["kept"]


def test_a_bound_that_the_whole_interval_breaks_is_broken() -> None:
    search = Search()
    number = search.trial(1.0)
    search.repeat(number, (1.0, 0.91), (1.0, 0.912), intervals={"retention": Interval(0.9, 0.92, 4000)})
    found = recommend(search.state)
    assert (found.trial, found.nearest) == (None, number)
    assert [each.word for each in found.constraints] == ["broken"]


def test_candidates_without_all_repetitions_are_judged_by_what_there_is() -> None:
    search = Search()
    full, short, none = search.trial(1.0), search.trial(1.1), search.trial(1.2)
    search.repeat(full, (1.0, 0.99), (1.02, 0.99))
    search.repeat(short, (1.1, 0.99))
    found = recommend(search.state)
    assert found.trial == full
    assert any("3 of at most 6 repetitions have begun" in one for one in found.caveats)
    assert any(f"but not repeated: trial {none}." in one for one in found.caveats)
    assert short != found.trial
    alone = Search()
    alone.repeat(alone.trial(1.0), (1.0, 0.99))
    assert any("the noise between seeds is unknown" in one for one in recommend(alone.state).caveats)


def test_without_repetitions_the_search_runs_decide() -> None:
    search = Search()
    best = search.trial(1.0)
    search.trial(2.0)
    found = recommend(search.state)
    assert found.trial == best
    assert any("Each trial was trained once, with one seed" in one for one in found.caveats)
