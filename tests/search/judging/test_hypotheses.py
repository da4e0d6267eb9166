"""Answers to hypotheses, from the record to every place where they are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from analysis.hypotheses import hypotheses_block
from analysis.markdown import to_markdown
from analysis.render import render_summary
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.summary import summarise
from search.judging.hypotheses import Answer, answers, judged
from search.record import (
    BaselineMeasured,
    Event,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.events import RecordedMetric, RecordedTrainable
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import SEARCH
from tests.records import BEGIN, make_config
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval, t_quantile
from trainables.routing.metrics import measured_metrics
from trainables.routing.options import BehaviourConfig, RoutingOptions
from trainables.settings import ModelConfig, TaskConfig

METRICS = (
    RecordedMetric(name="hit_new", direction="max", low=0, high=1, items=("hit_new",), sample="prompts"),
    RecordedMetric(name="hit_old", direction="max", low=0, high=1, items=("hit_old",), sample="prompts"),
    RecordedMetric(name="off", items=("off",), over=("replies",), sample="replies"),
    RecordedMetric(name="on", items=("on",), over=("replies",), sample="replies"),
    RecordedMetric(name="loss", direction="min"),
)
KNOWN = RecordedTrainable(
    subject="a model",
    artifact="adapter",
    load="load({folder})",
    metrics=METRICS,
    trained_baselines=("plain", "other"),
)
Items = Mapping[str, str]


def items(share: float, n: int = 60, seed: int = 0) -> str:
    """Outcomes of n items in a fixed order, of which a share is 1."""
    count = round(share * n)
    bits = np.random.default_rng(seed).permutation([1] * count + [0] * (n - count))
    return "".join(map(str, bits))


def measured(outcomes: Items, **others: float) -> dict[str, Any]:
    shares = {name: text.count("1") / len(text) for name, text in outcomes.items()}
    intervals: dict[str, Interval] = {
        name: wilson(text.count("1"), len(text)) for name, text in outcomes.items()
    }
    intervals |= {name: Interval(value - 0.1, value + 0.1, 50) for name, value in others.items()}
    return {"metrics": {"train_loss": 1.0} | shares | others, "intervals": intervals, "items": dict(outcomes)}


def trial(
    number: int, sampled: Mapping[str, Any], outcomes: Items, repeats: int | None = None, **others: float
) -> list[Event]:
    return [
        TrialProposed(trial=number, sampled=dict(sampled), params=dict(sampled), repeats=repeats, time=BEGIN),
        RungReached(trial=number, rung=2, step=90, **measured(outcomes, **others), time=BEGIN + 1),
        TrialFinished(trial=number, status="completed", reason="full budget", time=BEGIN + 2),
    ]


def search(
    hypotheses: Mapping[str, Any],
    trials: Sequence[Sequence[Event]],
    later: Mapping[str, Any] | None = None,
    baselines: Mapping[str, Items] | None = None,
) -> list[Event]:
    config = make_config(objectives=[{"metric": "train_loss", "direction": "min"}], hypotheses=hypotheses)
    session = {"trials": 16, "command": "run", "host": "here", "pid": 1, "time": BEGIN}
    return [
        SearchStarted(
            search_id="0" * 16,
            config=config.model_dump(mode="json"),
            fingerprints={},
            versions={},
            trainable=KNOWN,
            time=BEGIN,
        ),
        SessionStarted(session=0, hypotheses=None if later is None else dict(later), **session),
        *(
            BaselineMeasured(name=name, seconds=1.0, **measured(outcomes), time=BEGIN)
            for name, outcomes in (baselines or {}).items()
        ),
        *(event for events in trials for event in events),
    ]


def ask(claim: str, trials: Sequence[Sequence[Event]], **rest: Any) -> Answer:
    extra = {name: rest.pop(name) for name in ("over", "where", "meaning") if name in rest}
    (answer,) = answers(SearchState.from_events(search({"H1": {"claim": claim, **extra}}, trials, **rest)))
    return answer


ONE = [trial(0, {"lr": 1e-3}, {"hit_new": items(0.8), "hit_old": items(0.3, 40)}, loss=2.0)]


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("hit[new] > hit[old]", "supported"),
        ("hit[old] >= hit[new]", "not supported"),
        ("hit_new > 0.75", "undecided"),
        ("hit_new - hit_old > 0.2", "supported"),
        ("2 * hit_new > 2 * hit_old", "supported"),
        ("hit_new > base.hit_new", "supported"),
        ("loss < 2.5", "supported"),
        ("loss > 2.05", "undecided"),
    ],
)
def test_the_only_run_of_the_recommended_trial(claim: str, verdict: str) -> None:
    answer = ask(claim, ONE, baselines={"base": {"hit_new": items(0.5)}})
    assert (answer.verdict, answer.over, answer.trials) == (verdict, "recommended", ((0,),))
    assert (answer.needed is not None) == (verdict == "undecided")
    assert any("one run" in caveat for caveat in answer.caveats)
    assert any("seeds" in caveat for caveat in answer.caveats)
    assert answer.paired == ("base." in claim)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("hit_new > plain.hit_new", "The baseline plain was trained once"),
        ("other.hit_new > plain.hit_new", "The baselines plain and other were trained once"),
        ("hit_new > base.hit_new", None),
        ("base.hit_new > 0.1", None),
    ],
)
def test_a_baseline_that_was_trained_once_is_said_to_differ_between_seeds(
    claim: str, said: str | None
) -> None:
    outcomes = {name: {"hit_new": items(0.4)} for name in ("base", "plain", "other")}
    caveats = ask(claim, ONE, baselines=outcomes).caveats
    about = [caveat for caveat in caveats if "trained once, with one seed" in caveat]
    assert len(about) == (said is not None)
    assert all(caveat.startswith(str(said)) for caveat in about)


def test_metrics_over_the_same_items_are_paired_under_any_name() -> None:
    outcomes = items(0.5, 80)
    fewer = outcomes[:20].replace("1", "0") + outcomes[20:]
    related = trial(0, {"lr": 1e-3}, {"on": outcomes, "off": fewer})
    unrelated = trial(0, {"lr": 1e-3}, {"hit_new": outcomes, "hit_old": fewer})
    pairs, apart = ask("off < on", [related]), ask("hit_old < hit_new", [unrelated])
    assert (pairs.paired, apart.paired) == (True, False)
    assert pairs.estimate == apart.estimate
    assert pairs.high - pairs.low < 0.8 * (apart.high - apart.low)
    assert (pairs.verdict, apart.verdict) == ("supported", "undecided")


def test_ablations_of_a_trial_are_paired_and_kinds_of_prompts_are_not() -> None:
    options = RoutingOptions(
        model=ModelConfig(name="small", source="embedded"),
        task=TaskConfig(name="letters", train="train.jsonl"),
        behaviour=BehaviourConfig(name="caps"),
    )
    over = {metric.name: metric.over for metric in measured_metrics(options)}
    assert over["behaviour_rate_bad_off"] == over["behaviour_rate_both"] != ()
    assert over["behaviour_rate_clean_bad_off"] != over["behaviour_rate_start_bad_off"]


def valued(events: list[Event], index: int, values: Sequence[float]) -> list[Event]:
    """The same with a loss that is the mean of these numbers."""
    event = events[index]
    assert isinstance(event, RungReached | BaselineMeasured)
    mean = float(np.mean(values))
    update = {
        "metrics": {**event.metrics, "loss": mean},
        "intervals": {**event.intervals, "loss": Interval(mean - 1, mean + 1, len(values))},
        "values": {"loss": [float(f"{value:.6g}") for value in values]},
    }
    return [*events[:index], event.model_copy(update=update), *events[index + 1 :]]


def test_losses_are_compared_item_by_item_where_the_record_has_them() -> None:
    random = np.random.default_rng(0)
    base = random.lognormal(0.0, 1.0, 50)
    tuned = base - 0.1 + 0.02 * random.standard_normal(50)
    begun = search({"H1": {"claim": "loss < base.loss"}}, [], baselines={"base": {}})
    known = [*valued(begun, 2, base), *valued(trial(0, {"lr": 1e-3}, {}), 1, tuned)]
    (paired,) = answers(SearchState.from_events(known))
    assert (paired.verdict, paired.paired, set(paired.counts.values())) == ("supported", True, {50})
    half = t_quantile(0.975, 49) * float((tuned - base).std(ddof=1)) / 50**0.5
    assert (paired.low, paired.high) == pytest.approx(
        (paired.estimate - half, paired.estimate + half), rel=1e-3
    )
    without = [
        event.model_copy(update={"values": {}}) if hasattr(event, "values") else event for event in known
    ]
    (apart,) = answers(SearchState.from_events(without))
    assert (apart.verdict, apart.paired) == ("undecided", False)
    assert any("one by one" in caveat for caveat in apart.caveats)


def repeated(*shares: float) -> list[list[Event]]:
    """A trial, and its repetitions."""
    first = [trial(0, {"lr": 1e-3}, {"hit_new": items(1.0)})]
    return first + [
        trial(index, {"lr": 1e-3}, {"hit_new": items(share, seed=index)}, repeats=0)
        for index, share in enumerate(shares, 1)
    ]


def test_repetitions_count_with_their_noise_and_the_run_that_was_chosen_does_not() -> None:
    equal, apart = ask("hit_new > 0.5", repeated(0.7, 0.7)), ask("hit_new > 0.5", repeated(0.5, 0.9))
    assert equal.estimate == apart.estimate == pytest.approx(0.2)
    assert equal.trials == ((1, 2),)
    assert 0 < equal.high - equal.low < 0.5
    assert apart.high - apart.low > 1.2 * (equal.high - equal.low)
    assert (equal.verdict, apart.verdict) == ("supported", "undecided")
    assert apart.needed is not None
    assert "repetitions in place of 2" in apart.needed


def grid(effect: float) -> list[list[Event]]:
    """Trials that differ in lr by much, and in alpha by the effect."""
    return [
        trial(
            2 * index + half,
            {"lr": lr, "rank": 8, "alpha_per_rank": alpha},
            {},
            loss=2.0 + index + effect * half + 0.01 * (-1) ** index,
        )
        for index, lr in enumerate((1e-5, 1e-4, 1e-3, 1e-2))
        for half, alpha in enumerate((1, 2))
    ]


def test_trials_that_differ_in_the_filtered_parameter_alone_are_compared_in_sets() -> None:
    claim = "loss[alpha_per_rank=1] < loss[alpha_per_rank=2]"
    answer = ask(claim, grid(0.1))
    assert (answer.verdict, answer.over) == (
        "undecided",
        "all",
    )  # the texts' noise, of which no pairs are known
    assert "4 sets of trials" in answer.basis
    assert answer.estimate == pytest.approx(-0.1)
    assert ask(claim, grid(0.5)).verdict == "supported"
    assert ask(claim, [*grid(0.5)[:-1]]).trials == ((0, 2, 4), (1, 3, 5))
    odd = trial(9, {"lr": 5e-4, "rank": 8, "alpha_per_rank": 1}, {}, loss=2.0)
    alone = ask("loss[lr<=1e-4] < loss[lr>1e-4]", [*grid(0.0), odd])
    assert "trials at full budget: 4 with lr<=0.0001 and 5 with lr>0.0001" in alone.basis
    assert ask("loss > 0", grid(0.0), where={"lr": [1e-4, 1e-3]}).trials == ((2, 3, 4, 5),)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("hit_new > base.hit_new", "The baseline base was not measured"),
        ("on > 0.5", "on was not measured"),
        ("hit_new[lr=1e-4] > 0", "No trial at full budget has lr=0.0001"),
    ],
)
def test_what_was_not_measured_is_undecided_and_says_why(claim: str, words: str) -> None:
    answer = ask(claim, ONE)
    assert answer.verdict == "undecided"
    assert any(words in caveat for caveat in answer.caveats)
    assert np.isnan(answer.estimate)
    assert ask(claim, []).verdict == "undecided"


def test_values_that_agree_exactly_and_have_no_items_decide_nothing() -> None:
    trials = [trial(number, {"lr": 10.0**-number}, {}) for number in range(4)]
    answer = ask("train_loss < 2", trials, over="all")
    assert (answer.verdict, answer.estimate, answer.p) == ("undecided", -1.0, 1.0)
    assert any("noise is unknown" in caveat for caveat in answer.caveats)


ODD = st.sampled_from([0.0, 1.0, 1e-300, 1e80, -1e200, 1e308, 0.5]) | st.floats(allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(ODD, ODD, ODD), min_size=1, max_size=5),
    st.sampled_from(["loss > 2", "loss[lr=1] < loss", "2 * loss - train_loss < 1e300", "loss < base.loss"]),
)
def test_no_record_keeps_a_search_from_ending(values: list[tuple[float, float, float]], claim: str) -> None:
    trials = [
        trial(number, {"lr": float(number)}, {}, loss=value) for number, (value, _, _) in enumerate(values)
    ]
    for events, (_, low, high) in zip(trials, values, strict=True):
        rung = events[1]
        assert isinstance(rung, RungReached)
        events[1] = rung.model_copy(update={"intervals": {"loss": Interval(low, high, 3)}})
    answer = ask(claim, trials, over="all", baselines={"base": {"hit_new": "01"}})
    assert 0 <= answer.p <= answer.p_adjusted <= 1
    json.dumps(hypotheses_block([answer]), allow_nan=False)


def test_many_hypotheses_are_held_to_more_and_the_order_does_not_matter() -> None:
    near = {"claim": "hit_new > 0.66"}
    alone = search({"A": near}, ONE)
    many = search({"A": near} | {f"B{i}": {"claim": f"hit_new > 0.79{i}"} for i in range(5)}, ONE)
    reverse = search({f"B{i}": {"claim": f"hit_new > 0.79{i}"} for i in range(5)} | {"A": near}, ONE)
    (first,), (among, *rest) = (answers(SearchState.from_events(events)) for events in (alone, many))
    assert (first.verdict, among.verdict) == ("supported", "undecided")
    assert first.p == among.p < among.p_adjusted
    assert {each.name: each.p_adjusted for each in answers(SearchState.from_events(reverse))} == {
        each.name: each.p_adjusted for each in (among, *rest)
    }


def test_those_of_the_last_session_are_answered_and_marked_as_late() -> None:
    begun = {"H1": {"claim": "hit_new > 0.5"}}
    later = {"H1": {"claim": "hit_new > 0.5"}, "H2": {"claim": "hit_old < 0.5"}}
    config = make_config(hypotheses=later).model_dump(mode="json")["hypotheses"]
    state = SearchState.from_events(search(begun, ONE, later=config))
    first, second = answers(state)
    assert not any("after the search began" in caveat for caveat in first.caveats)
    assert any("after the search began" in caveat for caveat in second.caveats)
    assert SearchState.from_events(search(begun, ONE, later={})).trials
    assert answers(SearchState.from_events(search(begun, ONE, later={}))) == ()


def test_answers_are_shown_wherever_results_are(tmp_path: Path) -> None:
    hypotheses = {
        "H1": {"claim": "hit[new] > hit[old]", "meaning": "New things are learned first."},
        "H2": {"claim": "hit_new > 0.75"},
        "H3": {"claim": "on > 0.5"},
    }
    events = search(hypotheses, ONE)
    state = SearchState.from_events(events)
    events.append(SearchEnded(reason="finished", recommended=0, hypotheses=judged(state), time=BEGIN + 9))
    summary = json.loads(json.dumps(summarise(state, tmp_path), allow_nan=False))
    assert [each["verdict"] for each in summary["hypotheses"]] == ["supported", "undecided", "undecided"]
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    render_summary(console, summary)
    printed = " ".join(console.export_text().split())
    page = to_markdown(summary)
    for words in (
        "H1 supported: hit[new] > hit[old]",
        "New things are learned first.",
        "prompts in place of 60",
    ):
        assert words in printed
        assert words in page.replace("\\", "")
    (card,) = (each.card for each in cards() if each.name == "hypotheses")
    context = Context(state, tmp_path)
    assert card.applies(context) is None
    findings = card.compute(context)
    assert [row[2] for row in findings.tables[0].rows] == ["supported", "undecided", "undecided"]
    projection = Projection()
    for event in events:
        projection.apply(event)
    tags = dict(projection.runs[SEARCH].tags)
    assert tags["tightrope.hypothesis.H1"] == "supported"
    projection.apply(SearchEnded(reason="finished", time=BEGIN + 10))
    assert projection.runs[SEARCH].tags["tightrope.hypothesis.H1"] == "withdrawn"
    assert tags["tightrope.hypothesis.H1.result"].startswith(
        "supported: hit[new] > hit[old]; left minus right 0.5"
    )
