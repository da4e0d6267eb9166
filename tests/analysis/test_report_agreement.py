"""Cards of one report do not contradict each other, and say no more than was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.investigate.answers import Answers
from analysis.investigate.study import Measured
from analysis.report.card import Findings
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.report.lost import Shifts, over_items, over_trials
from analysis.report.statistics import Estimate, mean
from search.judging.objectives import metrics_of
from search.record import Event, RungReached, SearchState, TrialProposed
from tests.analysis.report_records import LRS, state_of, whole


def found(context: Context, name: str) -> Findings:
    (own,) = [one.card for one in cards() if one.name == name]
    assert own.applies(context) is None
    return own.compute(context)


def changed(folder: Path, change: Callable[[TrialProposed], dict[str, Any] | None]) -> Context:
    """The whole search with other sampled parameters; None leaves the trial out."""
    events: list[Event] = []
    gone: set[int] = set()
    for event in whole(folder, repeats=0):
        if isinstance(event, TrialProposed):
            sampled = change(event)
            if sampled is None:
                gone.add(event.trial)
            else:
                event = event.model_copy(update={"sampled": sampled, "params": sampled})
        if getattr(event, "trial", None) not in gone:
            events.append(event)
    return Context(SearchState.from_events(events), folder)


def test_a_level_has_one_interval_of_retention(tmp_path: Path) -> None:
    context = Context(state_of("whole", tmp_path), tmp_path)
    levels = found(context, "investigation").data["levels"]
    groups = found(context, "change").data["groups"]
    assert len(levels) == len(groups) == len(LRS)
    for level, group in zip(levels, groups, strict=True):
        own = group["retention"]
        assert own["low"] < own["high"]
        assert (own["low"], own["high"]) == (level["low"], level["high"])
        assert own["value"] == pytest.approx(level["retention"])


def test_the_report_without_answers_has_one_interval_too(tmp_path: Path) -> None:
    context = Context(state_of("without_items", tmp_path), tmp_path)
    levels = found(context, "investigation").data["levels"]
    groups = found(context, "change").data["groups"]
    ends = [(own["retention"]["low"], own["retention"]["high"]) for own in groups]
    assert ends == [(level["low"], level["high"]) for level in levels]


def test_knowledge_and_format_are_told_as_the_investigation_tells_them(tmp_path: Path) -> None:
    # One trial at each learning rate: between trials nothing can be seen.
    context = changed(tmp_path, lambda own: dict(own.sampled) if own.sampled["rank"] == 8 else None)
    rows = found(context, "knowledge").data["exam"]
    assert [row["lr"] for row in rows] == ["1.0e-05", "1.0e-04", "1.0e-03"]
    assert rows[-1]["intervals_of_changes_over"] == "items"
    assert rows[-1]["lost"] == "format"
    assert found(context, "investigation").data["finding"]["lost"] == rows[-1]["lost"]


def test_one_trial_without_answers_cannot_tell_knowledge_from_format(tmp_path: Path) -> None:
    def without(event: Event) -> Event:
        bare = isinstance(event, RungReached)
        return event.model_copy(update={"items_file": None}) if bare else event

    context = changed(tmp_path, lambda own: dict(own.sampled) if own.sampled["rank"] == 8 else None)
    for trial in context.state.trials.values():
        trial.rungs[:] = [without(rung) for rung in trial.rungs]  # type: ignore[misc]
    card = found(context, "knowledge")
    assert {row["lost"] for row in card.data["exam"]} == {"unknown"}
    assert "unknown, as one trial" in card.texts[0]


def measured(generation: Sequence[int], likelihood: Sequence[int]) -> Measured:
    def answers(right: Sequence[int]) -> Answers:
        n = len(right)
        outcomes = np.array(["right" if own else "wrong" for own in right], dtype=object)
        questions = np.array([f"question {i}" for i in range(n)], dtype=object)
        return Answers(np.arange(n), questions, outcomes, np.array([""] * n, dtype=object), np.full(n, 4))

    both = {("facts", "generation"): answers(generation), ("facts", "likelihood"): answers(likelihood)}
    return Measured(10, 1.0, sum(generation) / len(generation), answers=both)


@pytest.mark.parametrize(
    ("generation", "likelihood", "lost"),
    [
        (100, 100, "neither"),
        (20, 98, "format"),
        (40, 40, "knowledge"),
        (10, 60, "both"),
        (100, 40, "knowledge"),
        (98, 97, "neither"),
    ],
)
def test_what_was_lost_follows_from_paired_items(generation: int, likelihood: int, lost: str) -> None:
    def first(count: int) -> list[int]:
        return [int(index < count) for index in range(100)]

    shifts = over_items(
        measured(first(100), first(100)), [measured(first(generation), first(likelihood))], "facts"
    )
    assert shifts is not None
    assert shifts.lost == lost
    assert shifts.generation.value == pytest.approx(generation / 100 - 1)
    assert shifts.likelihood.value == pytest.approx(likelihood / 100 - 1)
    assert over_items(measured(first(100), first(100)), [Measured(10, 1.0, 0.5)], "facts") is None


def test_whole_trials_tell_only_if_there_are_several() -> None:
    assert over_trials((0.9, 0.9), [(0.1, 0.9)]).lost == "unknown"
    assert over_trials((0.9, 0.9), [(0.1, 0.9), (0.11, 0.89), (0.12, 0.9)]).lost == "format"


def test_a_rank_that_was_left_out_is_no_rank_at_which_it_holds(tmp_path: Path) -> None:
    def at_one(own: TrialProposed) -> dict[str, Any] | None:
        return None if own.sampled["rank"] == 4 and own.sampled["lr"] != LRS[0] else dict(own.sampled)

    card = found(changed(tmp_path, at_one), "ranks")
    assert card.data["holds_at_every_rank"] is False
    assert card.data["left_out"] == {"4": "was measured at one learning rate only"}
    assert "holds at every rank" not in card.texts[0]
    assert card.texts[0].startswith("In 3 of 4 ranks")
    assert "Rank 4 was measured at one learning rate only." in card.texts[0]


def test_learning_rates_that_lie_close_together_are_no_comparison(tmp_path: Path) -> None:
    def close(own: TrialProposed) -> dict[str, Any] | None:
        if own.sampled["rank"] != 16 or own.sampled["lr"] == LRS[2]:
            return dict(own.sampled)
        return dict(own.sampled) | {"lr": 9.8e-4} if own.sampled["lr"] == LRS[0] else None

    card = found(changed(tmp_path, close), "ranks")
    assert card.data["holds_at_every_rank"] is False
    assert "Rank 16 was measured only at 9.8e-04 and 1.0e-03" in card.texts[0]


def test_it_holds_at_every_rank_only_if_the_investigation_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(state_of("whole", tmp_path), tmp_path)
    checks = {one["key"]: one["outcome"] for one in found(context, "investigation").data["checks"]}
    assert checks["c"] == "pass"
    assert found(context, "ranks").texts[0].endswith("It holds at every rank.")
    monkeypatch.setattr("analysis.report.cards.ranks._passes", lambda context: False)
    assert "does not pass" in found(context, "ranks").texts[0]


def test_every_cell_of_every_map_is_in_the_data(tmp_path: Path) -> None:
    context = Context(state_of("two_seeds", tmp_path), tmp_path)
    data = found(context, "heatmaps").data
    pairs = len(data["parameters"]) * (len(data["parameters"]) - 1) // 2
    assert len(data["maps"]) == pairs * len(data["trials"])
    own = next(one for one in data["maps"] if {one["x"], one["y"]} == {"lr", "rank"})
    cell = {own["x"]: own["columns"][-1], own["y"]: own["rows"][-1]}
    assert cell == {"lr": "1.0e-03", "rank": "4"}
    trials = [t for t in context.trials if t.params["lr"] == 1e-3 and t.params["rank"] == 4]
    expected = mean([metrics_of(trial)["retention"] for trial in trials])
    assert own["means"]["retention"][-1][-1] == pytest.approx(expected.value)
    assert own["n"]["retention"][-1][-1] == len(trials) == 2
    assert all(math.isfinite(value) for row in own["means"]["train_loss"] for value in row)


def test_replies_that_cannot_be_read_are_a_lost_format_also_near_chance() -> None:
    """Figures of a real run: generated accuracy, at a third before, had no room to fall further."""
    shifts = [
        (-0.188, -0.248, -0.128),
        (-0.124, -0.189, -0.058),
        (-0.064, -0.13, 0.002),
        (0.509, 0.458, 0.56),
    ]
    estimates = [Estimate(*one, 169) for one in shifts]
    assert Shifts(*estimates[:3], "items", estimates[3]).lost == "both"
    assert Shifts(*estimates[:3], "items").lost == "knowledge"
