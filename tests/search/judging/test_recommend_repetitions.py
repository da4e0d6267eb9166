"""The recommendation by repetitions, in words."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from search.judging.racing import race
from search.judging.recommend import recommend
from search.record import Event, RungReached, SearchState, SessionStarted, TrialFinished, TrialProposed
from search.record.events import TrialStatus
from search.record.explained import explanation
from tests.records import make_config, opening_events, trial_events
from trainables.interval import Interval

EXPLAINED = explanation(make_config().trainable, make_config().options)
SURE = {"retention": Interval(low=0.96, high=1.0, n=2000)}


class Search:
    """Builds a search with candidates and their repetitions."""

    def __init__(self, **changes: Any) -> None:
        self.events: list[Event] = opening_events(make_config(**changes))
        self.numbers = 0

    def trial(self, loss: float, retention: float = 0.99, **more: Any) -> int:
        metrics = {"train_loss": loss, "retention": retention}
        if "capability" in more:
            metrics["capability"] = more.pop("capability")
        items = more.pop("items", {})
        for event in trial_events(self.numbers, metrics, **({"intervals": SURE} | more)):
            reached = isinstance(event, RungReached)
            self.events.append(event.model_copy(update={"items": items}) if reached else event)
        self.numbers += 1
        return self.numbers - 1

    def fail(self, number: int, status: TrialStatus = "failed") -> None:
        """A repetition that ends without a measurement."""
        cause = "worker_lost" if status == "failed" else status
        self.events += [
            TrialProposed(trial=self.numbers, sampled={}, params={}, origin="confirmation", repeats=number),
            TrialFinished(trial=self.numbers, status=status, reason="gone", failure_class=cause),
        ]
        self.numbers += 1

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
        "3 candidates whose mean retention is at least 0.95, by more than noise"
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


def test_of_a_tie_one_that_is_shown_to_keep_the_floor_is_taken_whatever_it_costs() -> None:
    search, unsure = Search(), {"retention": Interval(0.91, 0.99, 200)}
    large, small = {"lr": 1e-3, "rank": 16}, {"lr": 1e-3, "rank": 4}
    for sampled in (large, small, small):
        search.trial(1.0, sampled=sampled)
    search.repeat(1, (1.50, 0.951), (1.60, 0.953), sampled=small, intervals=unsure)
    search.repeat(0, (1.51, 0.99), (1.61, 0.99), sampled=large)
    recommended = recommend(search.state)
    assert (recommended.trial, [each.word for each in recommended.constraints]) == (0, ["kept"])
    assert recommended.reason.endswith(
        "of trial 1); trial 0 is chosen because it alone is shown to keep retention >= 0.95"
    )
    search.repeat(2, (1.52, 0.99), (1.62, 0.99), sampled=small)
    recommended = recommend(search.state)
    assert recommended.trial == 2
    assert recommended.reason.endswith(
        "because of those that are shown to keep retention >= 0.95, its adapter is the smallest (rank 4 "
        "against 16)"
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
    search.repeat(broken, (1.0, 0.91), (1.0, 0.93), intervals={"retention": Interval(0.91, 0.93, 2000)})
    search.repeat(kept, (2.0, 0.99), (2.0, 0.99), (2.0, 0.99))
    found = recommend(search.state)
    assert found.trial == kept
    assert "the only candidate whose mean retention is at least 0.95" in found.reason
    assert found.caveats[0].startswith(
        "Trial 0 is ruled out: its repetitions break retention >= 0.95 (retention 0.92 ["
    )


def test_where_every_candidate_breaks_the_floor_none_is_recommended() -> None:
    search = Search()
    one, other = search.trial(1.0, 0.96), search.trial(2.0, 0.96)
    around = {"retention": Interval(0.91, 0.93, 2000)}
    search.repeat(one, (1.0, 0.90), (1.0, 0.905), intervals=around)
    search.repeat(other, (2.0, 0.92), (2.0, 0.925), intervals=around)
    found = recommend(search.state)
    assert (found.trial, found.nearest) == (None, other)
    assert found.reason.startswith(
        "No candidate holds up when trained again with new seeds, although their search runs kept every "
        "constraint: those were lucky. Trial 0 is ruled out: its repetitions break retention >= 0.95 ("
    )
    assert "lr below 1.0e-03" in found.reason
    assert found.deciding is None


def test_candidates_whose_means_miss_the_floor_within_noise_are_not_called_broken() -> None:
    search = Search(confirm={"candidates": 1, "seeds": 2})
    near = search.trial(1.0, 0.96)
    around = {"retention": Interval(0.941, 0.947, 20_000)}
    search.repeat(near, (1.0, 0.942), (1.0, 0.946), intervals=around)
    recommended = recommend(search.state)
    assert (recommended.trial, recommended.nearest) == (None, near)
    (held,) = recommended.constraints
    assert (held.word, held.repetitions is None) == ("not shown to be kept", False)
    assert recommended.deciding == ("confirm.seeds", held.repetitions)
    assert recommended.reason.startswith(
        "The candidate cannot be recommended by repetitions with new seeds, although its search run kept "
        "every constraint. Trial 0 is not recommended: its mean misses retention >= 0.95, and this is "
        "not shown to be more than noise (retention 0.94 ["
    )
    assert f"confirm.seeds={held.repetitions} would probably decide on trial 0. Extend" in recommended.reason
    assert "lucky" not in recommended.reason


def test_of_several_constraints_only_those_that_are_missed_are_named() -> None:
    goals = [
        {"metric": "train_loss", "direction": "min", "ceiling": 2.5},
        {"metric": "retention", "direction": "max", "floor": 0.95},
    ]
    search = Search(objectives=goals, confirm={"candidates": 1, "seeds": 2})
    search.repeat(search.trial(1.0), (1.0, 0.91), (1.1, 0.92), intervals={})
    (sentence,) = [part for part in recommend(search.state).reason.split("Trial 0 ") if part.startswith("is")]
    assert "retention >= 0.95" in sentence
    assert "train_loss" not in sentence


def test_more_seeds_than_can_be_asked_for_are_not_offered() -> None:
    wide = {"retention": Interval(0.93, 0.985, 2000)}
    search = Search(confirm={"candidates": 1, "seeds": 2})
    search.repeat(search.trial(1.0), (1.0, 0.94), (1.01, 0.962), intervals=wide)
    recommended = recommend(search.state)
    (held,) = recommended.constraints
    assert (held.repetitions, recommended.deciding) == (None, None)
    assert held.decide is not None
    assert re.fullmatch(
        r"It would take about [\d,]+ questions in place of 2,000 with [\d,]+ seeds in place of 2 to decide "
        r"it, and confirm\.seeds is at most 100\.",
        held.decide,
    )
    ceiling = {"metric": "train_loss", "direction": "min", "ceiling": 1.1}
    without_items = Search(objectives=[ceiling], confirm={"candidates": 1, "seeds": 2})
    without_items.repeat(without_items.trial(1.0), (1.0, 0.99), (1.18, 0.99))
    (held,) = recommend(without_items.state).constraints
    assert held.decide is not None
    assert re.fullmatch(
        r"It would take about [\d,]+ seeds in place of 2 to decide it, and confirm\.seeds is at most 100\.",
        held.decide,
    )
    at_it = Search(objectives=[ceiling], confirm={"candidates": 1, "seeds": 2})
    at_it.repeat(at_it.trial(1.0), (1.0, 0.99), (1.2, 0.99))
    (held,) = recommend(at_it.state).constraints
    assert held.decide == "No number of seeds would decide it, were the mean the true value."


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


def test_a_second_repetition_is_asked_for_where_the_noise_between_seeds_is_unknown() -> None:
    around = {"retention": Interval(0.90, 1.04, 400)}
    search = Search(confirm={"candidates": 1, "seeds": 2})
    search.repeat(search.trial(1.0), (1.0, 0.97), intervals=around)
    (held,) = (going := recommend(search.state)).constraints
    assert (held.word, held.repetitions) == ("not shown to be kept", 2)
    assert held.decide == "Only a second repetition can show how much it differs between seeds."
    assert going.deciding is None, "the race as it is comes to it"
    search.fail(0)
    ended = recommend(search.state)
    assert ended.deciding == ("confirm.seeds", 3)
    assert (
        "1 of the 2 repetitions of trial 0 ended without a result (1 worker_lost, such as trial 2: gone)."
        in ended.caveats
    )


def test_all_questions_are_counted_in_what_would_decide() -> None:
    goal = {"metric": "capability", "direction": "max", "floor": 0.95}
    search = Search(confirm={"candidates": 1, "seeds": 2}, objectives=[goal])
    skills = {"facts": 10, "arithmetic": 20, "format": 30}
    search.events[0] = search.events[0].model_copy(update={"trainable": EXPLAINED})
    search.trial(1.0, capability=0.99)
    for wrong in (0, 1):
        items = {name: "0" * wrong + "1" * (n - wrong) for name, n in skills.items()}
        right = 1 - wrong * sum(1 / n for n in skills.values()) / 3
        search.repeat(0, (1.0, right), intervals={}, items=items, capability=right)
    (held,) = recommend(search.state).constraints
    assert held.decide is not None
    assert " questions in place of 60 " in held.decide


def test_a_candidate_stays_one_where_later_trials_are_better_but_not_where_fewer_are_asked_for() -> None:
    search = Search(confirm={"candidates": 1, "seeds": 2})
    around = {"retention": Interval(0.969, 0.981, 4000)}
    search.repeat(search.trial(1.0), (1.0, 0.970), (1.0, 0.980), intervals=around)
    decides = recommend(search.state).deciding
    assert decides is not None
    later = search.trial(0.5)  # of a search with more trials
    recommended = recommend(search.state)
    assert recommended.trial == 0
    assert any(f"but not repeated: trial {later}." in caveat for caveat in recommended.caveats)
    assert recommended.deciding == decides
    fewer = [
        SessionStarted(session=n, trials=3, command="", host="", pid=1, confirm=confirm)
        for n, confirm in enumerate(({"candidates": 2, "seeds": 2}, {"candidates": 1, "seeds": 2}), 1)
    ]
    search.events += fewer
    assert recommend(search.state).deciding is None, "the race is about the later trial alone"


def test_repetitions_that_all_failed_are_said_to_have_and_begin_again_with_more_seeds() -> None:
    search = Search(confirm={"candidates": 1, "seeds": 2})
    search.trial(1.0)
    search.fail(0)
    assert any("1 of at most 2 repetitions have begun" in each for each in recommend(search.state).caveats)
    search.fail(0)
    recommended = recommend(search.state)
    assert recommended.trial == 0
    assert recommended.caveats == (
        "No repetition has completed, so this rests on one run with one seed; another seed gives other "
        "values.",
        "2 of the 2 repetitions of trial 0 ended without a result (2 worker_lost, such as trial 1: gone).",
        "confirm.seeds=4 gives 2 more repetitions to each.",
    )
    assert recommended.deciding == ("confirm.seeds", 4)
    larger = Search(confirm={"candidates": 1, "seeds": 4})
    larger.events[3:] = search.events[3:]
    assert race(larger.state).next is not None


def test_where_one_candidate_broke_and_another_failed_the_search_is_resumed_only_while_it_runs() -> None:
    search = Search(confirm={"candidates": 2, "seeds": 2})
    search.trial(1.0)
    search.trial(2.0)
    search.repeat(0, (1.0, 0.5))
    search.fail(1)
    assert recommend(search.state).reason.endswith("Resume the search.")
    for _ in range(3):
        search.fail(1)
    ended = recommend(search.state)
    assert (ended.trial, ended.nearest) == (None, 0)
    assert ended.reason.endswith("Repeat with confirm.seeds=4.")
    assert ended.deciding == ("confirm.seeds", 4)
    assert "ended without a result (4 worker_lost" in ended.caveats[0]


def test_repetitions_that_agree_exactly_say_nothing_of_the_noise() -> None:
    search = Search()
    first, second = search.trial(1.0), search.trial(2.0)
    search.repeat(first, (1.0, 0.99), (1.0, 0.99))
    search.repeat(second, (1.1, 0.99), (1.1, 0.99))
    recommended = recommend(search.state)
    assert recommended.trial == first
    assert recommended.reason.endswith("of the 2 candidates whose mean retention is at least 0.95")
    assert any("agree exactly in train_loss" in caveat for caveat in recommended.caveats)


def test_without_constraints_no_candidate_is_said_to_have_kept_any() -> None:
    search = Search(objectives=[{"metric": "train_loss", "direction": "min"}])
    search.trial(1.0)
    search.fail(0, "diverged")
    reason = recommend(search.state).reason
    assert reason.startswith("The candidate does not hold up when trained again with new seeds. Trial 0 is")
    assert "constraint" not in reason


def test_the_end_of_an_interval_that_is_known_is_kept() -> None:
    """The ratio to a base model that may answer nothing has no upper end."""
    search = Search(objectives=[{"metric": "retention", "direction": "max", "floor": 0.95}])
    search.trial(1.0)
    open_end = {"retention": Interval(1.1, math.inf, 40)}
    search.repeat(0, (1.0, 1.30), (1.0, 1.32), intervals=open_end)
    (held,) = recommend(search.state).constraints
    assert (held.word, held.high) == ("kept", None)
    assert held.low is not None
    assert held.measured == f"1.31 [{held.low:.2f}, inf]"


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
