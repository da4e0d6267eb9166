"""Guards end what is surely broken, say so in a sentence, and leave the rest alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.conductor import Conductor
from search.config.load import load_config
from search.config.schema import SearchConfig
from search.errors import ConfigError
from search.guards import GUARDS, make_guards
from search.judging.relative import relative_metrics, with_ratio_intervals, with_ratios
from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    RungReached,
    SearchState,
    TrialFinished,
    TrialProposed,
)
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from tests.records import make_config, make_reading_config
from tests.search.config_files import SPACE, write_space
from trainables.errors import DivergedError, OutOfMemoryError, SpikeError, UserError
from trainables.evaluation.collapse import COMMONEST, FIRST_ENTROPY, LATENT_COSINE, UNIQUE
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval
from trainables.messages import DEGENERATE, Outcome, Reply
from trainables.trainable import MetricSpec

N = 120
BASE_ITEMS = {"facts": "1" * 114 + "0" * 6, DEGENERATE: "1" * 12 + "0" * 108}
RELATIVE = relative_metrics([MetricSpec("capability", "", "max", relative="retention", items=("facts",))])
BASE = BaselineMeasured(name="base", metrics={"capability": 0.95, UNIQUE: 0.9}, items=BASE_ITEMS, seconds=1.0)
CONFIGS = {"mode_collapse": make_reading_config}
"""Of guards that have nothing to guard in searches of `lora`."""


def config_for(name: str, **changes: Any) -> SearchConfig:
    return CONFIGS.get(name, make_config)(**changes)


def reached(facts: str, degenerate: str, base: BaselineMeasured = BASE) -> RungReached:
    """A rung at which these items were measured."""
    share, items = facts.count("1") / len(facts), {"facts": facts, DEGENERATE: degenerate}
    unique = BASE.metrics[UNIQUE] if share else 1 / len(facts)
    capability = {
        "capability": Interval(low=share - 0.05, high=share + 0.05, n=len(facts)),
        UNIQUE: wilson(unique * len(facts), len(facts)),
    }
    return RungReached(
        trial=0,
        rung=0,
        step=10,
        metrics=with_ratios({"capability": share, UNIQUE: unique, COMMONEST: 1 - unique}, base, RELATIVE),
        intervals=with_ratio_intervals(capability, items, base, RELATIVE),
        items=items,
        train_seconds=1.0,
        eval_seconds=1.0,
    )


def state_with(rung: RungReached, base: BaselineMeasured | None = BASE) -> SearchState:
    proposed = TrialProposed(trial=0, sampled={}, params={})
    return SearchState.from_events([*([base] if base else []), proposed, rung])


def ask(name: str, rung: RungReached, base: BaselineMeasured | None = BASE, **guards: Any) -> str | None:
    return make_guards(config_for(name, guards=guards))[name](rung, state_with(rung, base))


SOUND = reached(BASE_ITEMS["facts"], BASE_ITEMS[DEGENERATE])
BROKEN = reached("0" * N, "1" * N)


@pytest.mark.parametrize("name", list(GUARDS))
class TestEveryGuard:
    def test_is_on_as_configured_and_has_a_line(self, name: str) -> None:
        assert name in make_guards(config_for(name))
        assert name not in make_guards(config_for(name, guards={name: None}))
        assert GUARDS.lines()[name]

    def test_leaves_a_trial_alone_that_does_what_the_base_model_does(self, name: str) -> None:
        assert ask(name, SOUND) is None

    def test_ends_a_broken_trial_with_its_numbers_in_a_sentence(self, name: str) -> None:
        reason = ask(name, BROKEN)
        assert reason is not None
        assert str(N) in reason
        assert "95% interval" in reason
        assert "[" in reason
        assert "\n" not in reason
        assert not reason.endswith(".")

    def test_says_nothing_of_what_was_not_measured(self, name: str) -> None:
        bare = BROKEN.model_copy(update={"metrics": {}, "intervals": {}, "items": {}})
        assert ask(name, bare) is None
        assert ask(name, bare, base=None) is None
        assert ask(name, bare, base=BASE.model_copy(update={"items": {}})) is None

    def test_changes_nothing_and_decides_alike_when_asked_again(self, name: str) -> None:
        state, guard = state_with(BROKEN), make_guards(config_for(name))[name]
        before = (list(state.trials[0].rungs), dict(state.trials[0].decisions), dict(state.baselines))
        assert guard(BROKEN, state) == guard(BROKEN, state)
        assert (list(state.trials[0].rungs), dict(state.trials[0].decisions), dict(state.baselines)) == before


def _collapsing(values: dict[str, tuple[float, float, float]], base: dict[str, float]) -> str | None:
    """What the guard says of metrics with their bounds, beside the base model's."""
    rung = SOUND.model_copy(
        update={
            "metrics": {name: value for name, (value, _, _) in values.items()},
            "intervals": {name: Interval(low, high, 100) for name, (_, low, high) in values.items()},
        }
    )
    return ask("mode_collapse", rung, BASE.model_copy(update={"metrics": base}))


def test_a_trial_that_says_the_same_to_all_is_called_collapsed() -> None:
    reason = ask("mode_collapse", BROKEN)
    assert reason is not None
    assert reason.startswith("mode collapse: unique_replies 0.00833 [")
    assert reason.endswith("lies below 0.18 with its whole 95% interval; the commonest reply is 99% of all")
    assert _collapsing({UNIQUE: (0.15, 0.1, 0.21)}, {UNIQUE: 1.0}) is None, "the interval does not decide"
    assert _collapsing({UNIQUE: (0.15, 0.1, 0.19)}, {UNIQUE: 0.5}) is None, "replies to the text are few too"
    assert "mode_collapse" not in make_guards(make_config())


@pytest.mark.parametrize(("metric", "most"), [(LATENT_COSINE, 0.95), (FIRST_ENTROPY, 7.0)])
def test_latents_and_entropies_have_bounds_unless_the_base_model_breaks_them(
    metric: str, most: float
) -> None:
    beyond = {metric: (1.02 * most, 1.01 * most, 1.03 * most)}
    reason = _collapsing(beyond, {metric: 0.5 * most})
    assert reason is not None
    assert f"mode collapse: {metric}" in reason
    assert _collapsing(beyond, {metric: 1.01 * most}) is None
    assert _collapsing({metric: (1.02 * most, 0.99 * most, 1.03 * most)}, {metric: 0.5 * most}) is None


def test_the_retention_guard_needs_the_whole_interval_below_the_floor() -> None:
    slightly = reached("1" * 110 + "0" * 10, BASE_ITEMS[DEGENERATE])  # 0.96 of the base model's
    surely = reached("1" * 90 + "0" * 30, BASE_ITEMS[DEGENERATE])  # 0.79
    assert slightly.metrics["retention"] < 0.97 < slightly.intervals["retention"].high
    assert ask("retention", slightly, retention=0.97) is None
    reason = ask("retention", surely, retention=0.97)
    assert reason is not None
    assert reason.startswith("retention 0.789 [0.7")
    assert "over 120 questions lies below 0.97 with its whole 95% interval" in reason


@given(st.integers(0, N), st.floats(0.05, 1.0))
def test_the_retention_guard_is_the_interval_against_its_bound(right: int, bound: float) -> None:
    rung = reached("1" * right + "0" * (N - right), BASE_ITEMS[DEGENERATE])
    reason = ask("retention", rung, retention=bound)
    assert (reason is not None) == (rung.intervals["retention"].high < bound)


def test_the_retention_guard_takes_the_objective_s_floor() -> None:
    surely = reached("1" * 90 + "0" * 30, BASE_ITEMS[DEGENERATE])
    loss = {"metric": "train_loss", "direction": "min"}
    for floor, ends in ((0.95, True), (0.6, False)):
        retention = {"metric": "retention", "direction": "max", "floor": floor}
        guards = make_guards(make_config(objectives=[loss, retention]))
        assert (guards["retention"](surely, state_with(surely)) is not None) is ends
    for objectives in ([loss], [loss, {"metric": "retention", "direction": "max"}]):
        assert "retention" not in make_guards(make_config(objectives=objectives))


def test_an_unbounded_interval_is_no_reason() -> None:
    base = BASE.model_copy(
        update={"metrics": {"capability": 1 / N}, "items": BASE_ITEMS | {"facts": "1" + "0" * 119}}
    )
    rung = reached("0" * N, BASE_ITEMS[DEGENERATE], base)
    assert rung.intervals["retention"].high == math.inf
    assert ask("retention", rung, base) is None


def test_the_degeneration_guard_counts_the_rise_over_the_base_model_s_own() -> None:
    facts = BASE_ITEMS["facts"]
    always = BASE.model_copy(update={"items": BASE_ITEMS | {DEGENERATE: "1" * N}})
    assert ask("degeneration", reached(facts, "1" * N, always), always) is None
    half = reached(facts, "1" * 60 + "0" * 60)  # a rise by 0.40, at least by 0.31
    assert ask("degeneration", half, degeneration=0.4) is None
    reason = ask("degeneration", half, degeneration=0.25)
    assert reason is not None
    assert "50% of 120 replies" in reason
    assert "10% of the base model's" in reason
    assert "a rise by 0.40 [0.3" in reason
    assert ask("degeneration", reached(facts, "0" * N), degeneration=0.0) is None


def test_few_replies_are_not_enough_to_be_sure_of_a_small_rise() -> None:
    base = BASE.model_copy(update={"items": {"facts": "1111", DEGENERATE: "0000"}})
    assert ask("degeneration", reached("1111", "1100", base), base, degeneration=0.25) is None


def make_conductor(config: SearchConfig, record: list[Event]) -> Conductor:
    space = SearchSpace(config.parameters, config.fixed)
    searcher, scheduler = make_searcher(config, space), make_scheduler(config)
    return Conductor(config, space, searcher, scheduler, record.append, list(record))


def config() -> SearchConfig:
    skills = [{"name": "facts", "path": "facts.jsonl"}]
    return make_config(
        2,
        capability={"skills": skills},
        searcher={"name": "random"},
        scheduler={"name": "none"},
        confirm={"candidates": 0},
    )


def answer(conductor: Conductor, number: int, rung: RungReached) -> Reply:
    request = conductor.request(number)
    return Reply(
        "ok",
        step=request.to_step,
        metrics={"train_loss": 2.0, "capability": rung.metrics["capability"]},
        intervals={"capability": Interval(0.0, 1.0, N)},
        items=rung.items,
        checkpoint=request.save_to,
    )


def test_a_guarded_trial_is_recorded_with_the_guard_s_name_and_reason() -> None:
    record: list[Event] = [BASE]
    conductor = make_conductor(config(), record)
    first = conductor.next_trial()
    assert first is not None
    assert conductor.report(first, answer(conductor, first, SOUND))
    assert not conductor.report(first, answer(conductor, first, reached("0" * N, BASE_ITEMS[DEGENERATE])))
    rung, decided, finished = record[-3:]
    assert isinstance(rung, RungReached)
    assert isinstance(decided, Decided)
    assert isinstance(finished, TrialFinished)
    assert rung.items == {"facts": "0" * N, DEGENERATE: BASE_ITEMS[DEGENERATE]}
    assert rung.intervals["retention"].high < 0.1
    assert (decided.decision, decided.by) == ("stop", "retention")
    assert (finished.status, finished.failure_class) == ("stopped", "retention")
    assert finished.reason == decided.reason


def test_a_search_that_was_killed_before_a_guard_s_decision_makes_it_when_resumed() -> None:
    record: list[Event] = [BASE]
    conductor = make_conductor(config(), record)
    first = conductor.next_trial()
    assert first is not None
    conductor.report(first, answer(conductor, first, BROKEN))
    whole = [event.model_dump(exclude={"time"}) for event in record]
    del record[-2:]
    make_conductor(config(), record)
    assert [event.model_dump(exclude={"time"}) for event in record] == whole


@pytest.mark.parametrize(
    ("outcome", "status", "failure_class"),
    [("spike", "diverged", "spike"), ("diverged", "diverged", "diverged")],
)
def test_what_training_ends_is_recorded_by_its_cause(
    outcome: Outcome, status: str, failure_class: str
) -> None:
    record: list[Event] = [BASE]
    conductor = make_conductor(config(), record)
    first = conductor.next_trial()
    assert first is not None
    assert not conductor.report(first, Reply(outcome, "in words", step=4, metrics={"train_loss": 9.0}))
    finished = record[-1]
    assert isinstance(finished, TrialFinished)
    assert (finished.status, finished.failure_class) == (status, failure_class)
    assert finished.reason == "in words"
    assert finished.metrics == {"train_loss": 9.0}


def test_every_error_of_training_is_an_outcome() -> None:
    classes = {error.failure_class for error in (DivergedError, SpikeError, OutOfMemoryError, UserError)}
    assert len(classes) == 4
    assert classes <= set(get_args(Outcome))


def test_a_guard_that_was_asked_for_and_has_nothing_to_guard_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    silent = SPACE.replace("[generation, likelihood]", "[likelihood]").replace(
        "path: sums.jsonl", "path: facts.jsonl\n      scoring: [likelihood]"
    )
    write_space(tmp_path, silent)
    assert load_config(["space=space.yaml"]).notes == ()
    (note,) = load_config(["space=space.yaml", "guards.degeneration=0.5"]).notes
    assert note.startswith("guards.degeneration=0.5 (command line: guards.degeneration=0.5) has no effect")
    write_space(tmp_path)
    assert load_config(["space=space.yaml", "guards.degeneration=0.5"]).notes == ()


def test_the_share_of_degenerate_replies_is_a_metric_where_there_are_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    objective = "\nobjectives: [{metric: degenerate, direction: min, ceiling: 0.2}]\n"
    write_space(tmp_path, SPACE + objective)
    assert load_config(["space=space.yaml"]).config.objectives[0].metric == DEGENERATE
    silent = SPACE.replace("[generation, likelihood]", "[likelihood]")
    silent = silent.replace("    - name: sums\n      path: sums.jsonl\n", "")
    write_space(tmp_path, silent + objective)
    with pytest.raises(ConfigError, match="'degenerate' is not measured in this search"):
        load_config(["space=space.yaml"])


def test_no_skill_takes_the_name_of_the_degenerate_replies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_space(tmp_path, SPACE.replace("name: sums", "name: degenerate"))
    with pytest.raises(ConfigError, match="'degenerate' is the name of a metric over all skills"):
        load_config(["space=space.yaml"])
