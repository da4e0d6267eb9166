"""The cards about adapters that are switched off: what they plot and say is what the record has."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from pyarrow import parquet

from analysis.report.ablations import ABLATIONS
from analysis.report.build import make
from analysis.report.card import Findings
from analysis.report.cards import cards
from analysis.report.chart import Plot, Series, XYChart
from analysis.report.context import Context, value
from analysis.report.layer_angles import FILE
from search.record import Event, RungReached, SearchStarted, SearchState, TrialProposed
from tests.analysis.ablation_records import BASELINES, LAYERS, SEEDS, ablated
from tests.analysis.report_records import HOSTILE
from trainables.interval import t_quantile
from trainables.routing.angle_metrics import ANGLES

CARDS = {registered.name: registered for registered in cards()}
ABOUT = ("ablations", "ablation_losses", "relearning", "angles", "layer_angles", "ablated_samples")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ablated")


@pytest.fixture(scope="module")
def context(folder: Path) -> Context:
    return Context(SearchState.from_events(ablated(folder)), folder)


def findings(name: str, context: Context) -> Findings:
    card = CARDS[name].card
    assert card.applies(context) is None
    return card.compute(context)


def plot(name: str, context: Context, index: int = 0) -> Plot:
    return findings(name, context).plots[index]


def xy(chart: Any) -> XYChart:
    assert isinstance(chart, XYChart)
    return chart


def line(chart: Any, name: str) -> Series:
    return next(series for series in xy(chart).series if series.name == name)


def values(context: Context, metric: str, **sampled: Any) -> list[float]:
    return [
        value(trial, metric)
        for trial in context.completed
        if sampled.items() <= trial.proposed.sampled.items()
    ]


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("stem", ["behaviour_rate", "behaviour_rate_clean"])
def test_a_line_goes_through_the_means_over_seeds(context: Context, stem: str, ablation: str) -> None:
    drawn = plot("ablations", context)
    settings, stems = (menu.options for menu in drawn.menus)
    assert settings == ("lr 3.0e-03", "lr 1.0e-03", "all settings"), "the recommended trial's comes first"
    place = 0 if stem == "behaviour_rate" else stems.index("after clean prefixes")
    for index, lr in enumerate((3e-3, 1e-3)):
        series = line(drawn.variants[index, place], ABLATIONS[ablation])
        for at, (middle, low, high) in enumerate(
            zip(series.y, series.low or (), series.high or (), strict=True)
        ):
            runs = values(context, f"{stem}_{ablation}", lr=lr, labelled=(0.0, 0.5, 1.0)[at])
            assert len(runs) == len(SEEDS)
            assert middle == pytest.approx(mean(runs))
            spread = math.sqrt(sum((run - mean(runs)) ** 2 for run in runs) / 2)
            half = t_quantile(0.975, 2) * spread / math.sqrt(3)
            assert (low, high) == pytest.approx((max(0, mean(runs) - half), min(1, mean(runs) + half)))
        single = line(drawn.variants[index, place], f"{ABLATIONS[ablation]}, single trials")
        assert sorted(single.y) == sorted(values(context, f"{stem}_{ablation}", lr=lr))  # type: ignore[type-var]


def test_baselines_lie_across_every_plot(context: Context) -> None:
    names = {"base": "base model", "clean": "baseline clean", "single": "baseline single"}
    rates = {rule.name: rule.value for rule in xy(plot("ablations", context).charts[0]).rules}
    assert rates == pytest.approx({names[name]: rate for name, rate, _ in BASELINES}, abs=0.01)
    losses = {rule.name: rule.value for rule in xy(plot("ablation_losses", context).charts[0]).rules}
    assert losses == {names[name]: loss for name, _, loss in BASELINES}
    assert not xy(plot("relearning", context).charts[0]).rules, "what baselines do not have is not drawn"


def test_every_baseline_stands_beside_the_front(context: Context) -> None:
    front = xy(plot("pareto", context).charts[0])
    points = {series.name: (series.x[0], series.y[0]) for series in front.series if "base" in series.name}
    assert list(points) == ["base model", "baseline clean", "baseline single"]
    for (_, rate, loss), point in zip(BASELINES, points.values(), strict=True):
        assert point == (loss, pytest.approx(rate, abs=0.01))


def test_a_setting_that_was_trained_once_has_the_interval_over_its_samples(folder: Path) -> None:
    events = [event for event in ablated(folder, lrs=(3e-3,)) if _seed(event) in (None, 0)]
    context = Context(SearchState.from_events(events), folder)
    drawn = plot("ablations", context)
    assert [menu.label for menu in drawn.menus] == ["Shown"]
    series = line(drawn.charts[0], "bad adapter off")
    last = context.completed[-1].last
    assert last is not None
    around = last.intervals["behaviour_rate_bad_off"]
    assert ((series.low or ())[-1], (series.high or ())[-1]) == (around.low, around.high)
    assert not any("single trials" in each.name for each in xy(drawn.charts[0]).series)


def _seed(event: Event) -> int | None:
    """Which of the three seeds of a place the event is of."""
    trial = getattr(event, "trial", None)
    return None if trial is None else trial % len(SEEDS)


def test_a_search_over_real_numbers_pools_its_trials(folder: Path) -> None:
    events: list[Event] = []
    for event in ablated(folder):
        if isinstance(event, TrialProposed):
            sampled = event.sampled | {"lr": 1e-3 * 1.1**event.trial, "labelled": 1.0}
            event = event.model_copy(update={"sampled": sampled})
        events.append(event)
    drawn = plot("ablations", Context(SearchState.from_events(events), folder))
    assert [menu.label for menu in drawn.menus] == ["Shown"]
    series = line(drawn.charts[0], "bad adapter off")
    assert series.x == ["bad adapter off"], "labels do not vary: each ablation has a place of its own"
    assert len(line(drawn.charts[0], "bad adapter off, single trials").y) == 18


def test_words_are_of_most_and_fewest_labels_beside_the_baselines(context: Context) -> None:
    texts = findings("ablations", context).texts
    labelled, none, baselines = texts
    for text, at in ((labelled, 1.0), (none, 0.0)):
        assert f"at labelled {at:g} (lr 3.0e-03, 3 trials)" in text
        for ablation in ("with both adapters on", "with the bad one off", "with the good one off"):
            assert ablation in text
        rate = mean(values(context, "behaviour_rate_bad_off", lr=3e-3, labelled=at))
        assert f"{rate:.0%} [" in text
    assert baselines == "For comparison: base model 1%, baseline clean 2%, baseline single 55%."


def test_relearning_stands_beside_the_model_that_never_had_it(context: Context) -> None:
    made = findings("relearning", context)
    assert line(made.plots[0].charts[0], "base model, never trained on it").y == [60.0] * 3
    steps = mean(values(context, "relearn_steps", lr=3e-3, labelled=1.0))
    assert f"labelled 1: {steps:.0f} steps" in made.texts[0]
    assert "against 60 in a model that never had it" in made.texts[0]
    assert not [note for note in made.notes if "not back" in note]


def test_relearning_that_never_ended_is_said(folder: Path) -> None:
    ended = {"relearn_steps": 100.0, "relearn_censored": 1.0}
    events = [
        event.model_copy(update={"metrics": event.metrics | ended})
        if isinstance(event, RungReached) and event.trial in (3, 4)
        else event
        for event in ablated(folder)
    ]
    notes = findings("relearning", Context(SearchState.from_events(events), folder)).notes
    assert any("In 2 of 18 trials the behaviour was not back" in note for note in notes)


def test_intervals_go_no_further_than_a_metric_can(folder: Path) -> None:
    events = [
        event.model_copy(update={"metrics": event.metrics | {"relearn_steps": 40.0 * (event.trial % 3)}})
        if isinstance(event, RungReached)
        else event
        for event in ablated(folder)
    ]
    drawn = plot("relearning", Context(SearchState.from_events(events), folder))
    assert line(drawn.charts[0], "bad adapter removed").low == [0.0] * 3


def test_angles_stand_beside_chance_and_the_unlabelled_trials(context: Context) -> None:
    made = findings("angles", context)
    updates, subspaces = made.plots
    assert line(updates.charts[0], "updates").y == pytest.approx([0.3, 0.175, 0.05])
    assert {rule.name: rule.value for rule in xy(subspaces.charts[0]).rules} == pytest.approx(
        {"random column spaces": 0.08, "random row spaces": 0.07, "row spaces before training": 0.071}
    )
    assert made.data["labelled 0"]["update_cosine"]["value"] == pytest.approx(0.3)
    assert (
        "labelled 1: updates 0.050; labelled 0: updates 0.300. For comparison: random updates 0.010."
        in (made.texts[0])
    )


def test_layers_are_read_from_the_trial_and_its_unlabelled_twin(context: Context, folder: Path) -> None:
    made = findings("layer_angles", context)
    trial, twin = (context.state.trials[made.data[key]] for key in ("trial", "beside"))
    assert trial.number == context.recommended
    assert {**twin.proposed.sampled, "labelled": 1.0} == trial.proposed.sampled
    for each, labelled in ((trial, 1), (twin, 0)):
        assert each.last is not None and each.last.checkpoint is not None  # noqa: PT018
        kept = json.loads((folder / each.last.checkpoint / FILE).read_text())
        series = line(made.plots[0].charts[0], f"column spaces, trial {each.number} (labelled {labelled})")
        assert series.y == [min(kept[layer]["columns"]["degrees"]) for layer in LAYERS]
    assert FILE == ANGLES, "what the trainable writes is what the report reads"


def test_samples_are_those_of_the_recommended_trial_under_each_ablation(
    context: Context, folder: Path
) -> None:
    made = findings("ablated_samples", context)
    assert made.data["trial"] == context.recommended
    (table,) = made.tables
    assert table.columns == ("prompt", "it begins with", *ABLATIONS.values())
    last = context.state.trials[made.data["trial"]].last
    assert last is not None and last.items_file is not None  # noqa: PT018
    rows = parquet.read_table(folder / last.items_file).to_pylist()
    verdicts = {True: "shows it", False: "does not"}
    cells = {f"{row['text'].strip()}\n[{verdicts[row['verdict']]}]" for row in rows}
    assert len(table.rows) == 12
    assert {cell for row in table.rows for cell in row[2:]} <= cells
    removed = [row for row in table.rows if row[2].endswith("[shows it]") and row[3].endswith("[does not]")]
    assert removed, "what the removed adapter did comes first"


def shown(context: Context, names: Sequence[str] = ABOUT) -> dict[str, tuple[str, str]]:
    return {made.card.name: (made.state, made.message) for made in make([CARDS[n] for n in names], context)}


def test_files_that_are_damaged_or_gone_are_said(tmp_path: Path) -> None:
    context = Context(SearchState.from_events(ablated(tmp_path)), tmp_path)
    for path in tmp_path.rglob("*.parquet"):
        path.write_bytes(b"PAR1")
    for path in tmp_path.rglob(FILE):
        path.unlink()
    states = shown(context)
    assert states["ablated_samples"][0] == "absent"
    assert "cannot be read as a table of items" in states["ablated_samples"][1]
    assert states["layer_angles"] == (
        "absent",
        "No trial's angles between adapters were kept layer by layer.",
    )
    assert states["ablations"][0] == states["angles"][0] == "shown"
    (tmp_path / "trials/0004/rung-2" / FILE).write_text('{"q": {"cosine": 1}}')
    assert "cannot be read as angles by layer" in shown(context)["layer_angles"][1]


def test_samples_are_shown_as_text_and_without_what_must_not_be(tmp_path: Path) -> None:
    events = ablated(tmp_path)
    for path in tmp_path.rglob("*.parquet"):
        table = parquet.read_table(path)
        rows = [row | {"text": f"{HOSTILE} secret"} for row in table.to_pylist()]
        parquet.write_table(table.from_pylist(rows, schema=table.schema), path)
    context = Context(
        SearchState.from_events(events), tmp_path, redact=lambda text: text.replace("secret", "***")
    )
    (made,) = make([CARDS["ablated_samples"]], context)
    assert made.findings is not None
    text = "".join(cell for table in made.findings.tables for row in table.rows for cell in row)
    assert "***" in text
    assert "secret" not in text
    assert "\x1b" not in text


def test_without_such_metrics_every_card_says_so(folder: Path) -> None:
    started, *events = ablated(folder)
    assert isinstance(started, SearchStarted)
    bare = [
        event.model_copy(update={"metrics": {"clean_loss_bad_off": 1.0, "behaviour_rate_bad_off": math.nan}})
        if isinstance(event, RungReached)
        else event
        for event in events
    ]
    context = Context(SearchState.from_events([started, *bare]), folder)
    states = shown(context, ("ablations", "relearning", "angles"))
    assert all(
        state == "absent" and message.startswith("No completed trial") for state, message in states.values()
    )
    assert shown(context, ("ablation_losses",))["ablation_losses"][0] == "shown"
    assert dataclasses.asdict(plot("ablation_losses", context))["menus"] != ()
