"""A search over a trainable that shares nothing with `lora` but the specification that `search` knows."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import create_model
from rich.console import Console

from analysis.report.build import make
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.summary import write_summary
from search.baselines import baseline_event, missing_baselines
from search.conductor import Conductor
from search.config.load import load_config
from search.config.schema import SearchConfig, config_model
from search.config.show import config_yaml
from search.epochs import in_steps
from search.errors import ConfigError, SpaceChangedError, TightropeError
from search.groups.settings import group_settings
from search.optuna_export import main as export
from search.plan import make_plan
from search.plan.view import print_plan
from search.provenance import PREFIX, contents
from search.record import Event, RecordWriter, SearchStarted, SearchState, SessionStarted, read_events
from search.record.explained import explained, explanation
from search.resume import fingerprint, open_record
from search.run import main
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.simulate.curves import RecordedCurves
from search.simulate.engine import simulate
from search.space import SearchSpace
from search.tracking.mlflow_limits import config_params
from search.tracking.mlflow_projection import Projection
from search.view import make_view
from search.warm_start import read_warm_start
from tests.search.toys import BASE_REPLY, SPACE, ToyOptions, reply, toy
from trainables.lora.parameters import LoraOptions
from trainables.messages import GroupFacts, Reply, TrainRequest
from trainables.trainable import TRAINABLES, TrainableSpec

__all__ = ["toy"]
FACTS = GroupFacts("cpu", "m", "d", 10, 0.1, 1, "one at a time")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: TrainableSpec) -> Path:
    (tmp_path / "space.yaml").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path


def load(*words: str) -> SearchConfig:
    return load_config(["space=space.yaml", *words]).config


def problems(*words: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(*words)
    return {problem.key: f"{problem.message}; {problem.hint}" for problem in caught.value.problems}


class TestConfiguration:
    def test_its_section_is_composed_overridden_and_shown_like_any_other(self) -> None:
        resolved = load_config(["space=space.yaml", "net.width=8", "net.layers=[a,b]"])
        assert resolved.config.options == ToyOptions.model_validate(
            {"net": {"width": 8, "table": "rows", "layers": ["a", "b"]}}
        )
        assert not isinstance(resolved.config, LoraOptions)
        text = config_yaml(resolved)
        assert "  width: 8 " in text
        assert "command line: net.width=8" in text
        assert "capability" not in text
        Path("again.yaml").write_text(text)
        assert load_config(["space=again.yaml", "name=space"]).config.options == resolved.config.options

    def test_sections_of_another_trainable_are_refused_with_its_name(self) -> None:
        found = problems("capability=nonsense", "task={name: t, train: nowhere.jsonl}", "model=embedded")
        assert found.keys() == {"capability", "task", "model"}
        assert "belongs to the trainables adaptation and lora" in found["capability"]
        assert "trainable=toy" in found["capability"]
        assert "belongs to the trainable toy" in problems("trainable=lora")["net"]

    def test_its_section_is_validated_with_hints(self) -> None:
        assert "did you mean net.width" in problems("net.widht=8")["net.widht"]
        assert "out of range" in problems("net.width=0")["net.width"]
        assert "net.width" in problems("width=3")["width"]
        assert "there is no table" in problems("net.table=nowhere")["net.table"]
        assert "no baseline 'meen'; did you mean mean?" in problems("baselines=[base,meen]")["baselines.1"]

    def test_default_objectives_are_the_loss_and_the_first_ratio_to_the_base(self) -> None:
        first, second = load().objectives
        assert (first.metric, first.direction) == ("train_loss", "min")
        assert (second.metric, second.direction, second.floor) == ("accuracy_kept", "max", 0.95)
        assert load("objectives.1.floor=0.5").objectives[1].floor == 0.5

    def test_objectives_are_its_metrics(self) -> None:
        metric = "objectives=[{metric: %s, direction: max}]"
        assert load(metric % "accuracy").objectives[0].metric == "accuracy"
        assert "did you mean accuracy" in problems(metric % "acuracy")["objectives.0.metric"]
        assert "is not measured" in problems(metric % "retention")["objectives.0.metric"]
        assert "not measured at every rung" in problems(metric % "audit")["objectives.0.metric"]
        assert "95% is 0.95" in problems("objectives.1.floor=95")["objectives.1.floor"]
        bound = "objectives=[{metric: distance, direction: min, ceiling: -1}]"
        assert "at least 0" in problems(bound)["objectives.0.ceiling"]

    def test_epochs_are_counted_by_it_where_it_has_a_batch_size(
        self, monkeypatch: pytest.MonkeyPatch, toy: TrainableSpec
    ) -> None:
        words = ("budget.epochs=2", "budget.steps=null")
        with pytest.raises(ConfigError, match="no batch_size"):
            in_steps(load(*words))
        batched = create_model("Batched", __base__=toy.parameters, batch_size=(int, 4))
        monkeypatch.setitem(TRAINABLES._entries, "toy", replace(toy, parameters=batched))
        assert in_steps(load(*words)).config.budget.steps == 15
        monkeypatch.setitem(TRAINABLES._entries, "toy", replace(toy, examples=None))
        with pytest.raises(ConfigError, match="has no epochs"):
            in_steps(load(*words))

    def test_workers_get_its_options_and_no_others(self, folder: Path) -> None:
        settings = group_settings(load(), folder, cpus=1)
        assert isinstance(settings.options, ToyOptions)
        assert settings.trainable == "toy"

    def test_a_trainable_cannot_take_a_section_that_every_search_has(
        self, monkeypatch: pytest.MonkeyPatch, toy: TrainableSpec
    ) -> None:
        taken = type("Taken", (ToyOptions,), {"__annotations__": {"budget": int}})
        monkeypatch.setitem(TRAINABLES._entries, "taken", replace(toy, options=taken))
        with pytest.raises(ValueError, match="every search already uses: budget"):
            config_model("taken")


class TestCommandLine:
    def test_the_list_names_it_and_its_section(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--list"]) == 0
        shown = capsys.readouterr().out
        assert "a net on a table, for tests" in shown
        assert "Sections of toy alone (SECTION.KEY=VALUE)\n  net" in shown
        assert "Parameters of toy" in shown

    def test_a_plan_shows_trials_and_says_what_it_cannot_say(self) -> None:
        plan = make_plan(load())
        console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
        print_plan(plan, console)
        text = console.export_text()
        assert "4 trials of a net of rows by gp" in text
        assert "gives no sizes, time or memory" in text
        assert "unknown" not in text
        assert not {"Data", "Estimate", "Attention"}.intersection(text.split())
        assert (plan.estimate, plan.sizes, plan.first[0].trainable) == (None, (), None)
        assert "lora" not in json.dumps(plan.plain())
        assert {line.partition(":")[0] for line in plan.guards} == {"spike", "retention"}


def begin(config: SearchConfig, record: list[Event]) -> Conductor:
    """A conductor of a search that has begun, with its baselines measured."""
    space = SearchSpace(config.parameters, config.fixed)
    searcher, scheduler = make_searcher(config, space), make_scheduler(config)
    conductor = Conductor(config, space, searcher, scheduler, record.append, list(record))

    def append(event: Event) -> None:
        record.append(event)
        conductor.state.apply(event)

    if conductor.state.started is None:
        append(
            SearchStarted(
                search_id="s",
                config=config.model_dump(mode="json"),
                fingerprints={"space": fingerprint(config)}
                | {f"{PREFIX}{key}": value for key, value in contents(config).items()},
                versions={},
                trainable=explanation("toy", config.options),
            )
        )
    append(SessionStarted(session=0, trials=config.trials, command="", host="", pid=1))
    for name in missing_baselines(config, conductor.state):
        append(baseline_event(config, name, BASE_REPLY, FACTS, conductor.state))
    return conductor


def conduct(config: SearchConfig, record: list[Event], most: int | None = None) -> Conductor:
    """Runs one trial at a time, until the end or the record is long enough to be cut."""
    conductor = begin(config, record)
    while not conductor.finished and (most is None or len(record) < most):
        number = conductor.next_trial()
        if number is None:
            break
        request = conductor.request(number)
        assert isinstance(request, TrainRequest)
        while conductor.report(number, reply(request)):
            request = conductor.request(number)
            assert isinstance(request, TrainRequest)
    return conductor


def write(folder: Path, record: list[Event]) -> None:
    with RecordWriter(folder / "runs" / "space") as writer:
        for event in record:
            writer.append(event)


SEARCH = ("searcher=random", "scheduler=none", "confirm.candidates=0")


class TestSearch:
    def test_every_metric_relative_to_the_base_has_its_ratio_and_interval(self) -> None:
        record: list[Event] = []
        state = conduct(load(*SEARCH, "guards.retention=null"), record).state
        assert state.baselines["base"].metrics["accuracy_kept"] == 1.0
        rungs = [rung for trial in state.trials.values() for rung in trial.rungs]
        assert len(rungs) == 12
        for rung in rungs:
            kept, interval = rung.metrics["accuracy_kept"], rung.intervals["accuracy_kept"]
            assert kept == pytest.approx(rung.metrics["accuracy"] / 0.8)
            assert interval.low == pytest.approx((rung.metrics["accuracy"] - 0.02) / 0.8)
            assert rung.metrics["distance_ratio"] == pytest.approx(rung.metrics["distance"] / 2.0)

    @pytest.mark.parametrize(("floor", "ratio"), [("0.9", "accuracy_kept"), ("0.99", "accuracy_kept")])
    def test_the_retention_guard_ends_trials_by_any_ratio(self, floor: str, ratio: str) -> None:
        words = (*SEARCH, f"guards.retention={floor}", "parameters.slope.low=5")
        state = conduct(load(*words), []).state
        assert all(trial.finished is not None for trial in state.trials.values())
        for trial in state.trials.values():
            assert trial.finished is not None
            assert (trial.status, trial.finished.failure_class) == ("stopped", "retention")
            assert trial.finished.reason.startswith(ratio)

    def test_of_what_is_minimised_the_guard_bounds_the_rise(self) -> None:
        """A slope of 0.1 to 0.2 keeps the accuracy and lets the distance rise by 10% to 20%."""
        words = (*SEARCH, "parameters.slope.low=0.1", "parameters.slope.high=0.2")
        state = conduct(load(*words, "guards.retention=0.95"), []).state
        reasons = {trial.finished.reason for trial in state.trials.values() if trial.finished}
        assert all(reason.startswith("distance_ratio") and "above 1.05" in reason for reason in reasons)
        kept = conduct(load(*words, "guards.retention=0.5"), []).state
        assert {trial.status for trial in kept.trials.values()} == {"completed"}

    def test_baselines_are_measured_by_name_the_base_first(self) -> None:
        config = load("baselines=[mean]")
        assert missing_baselines(config, SearchState()) == ["base", "mean"]
        record: list[Event] = []
        state = begin(config, record).state
        assert list(state.baselines) == ["base", "mean"]
        assert state.baselines["mean"].metrics["accuracy_kept"] == 1.0
        assert missing_baselines(config, state) == []

    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_base_with_nothing_to_retain_is_refused(self, value: float) -> None:
        nothing = Reply("ok", metrics={"accuracy": value, "distance": 2.0})
        with pytest.raises(TightropeError, match="no accuracy to retain"):
            baseline_event(load(), "base", nothing, FACTS, SearchState())

    def test_a_cut_record_goes_on_as_if_it_had_not_been(self, folder: Path) -> None:
        config = load(*SEARCH)
        whole: list[Event] = []
        conduct(config, whole)
        cut: list[Event] = []
        conduct(config, cut, most=len(whole) // 2)
        write(folder, cut)
        recorded = open_record(config)
        resumed = list(recorded.events)
        conduct(recorded.config, resumed)
        ends: list[dict[int, object]] = []
        for events in (whole, resumed):
            trials = SearchState.from_events(events).trials.values()
            ends.append({t.number: (t.params, t.status, t.last and t.last.metrics) for t in trials})
        assert ends[0] == ends[1]

    def test_a_changed_section_is_another_search_unless_it_says_otherwise(self, folder: Path) -> None:
        record: list[Event] = []
        begin(load(), record)
        write(folder, record)
        with pytest.raises(SpaceChangedError, match=r"net\.width: recorded 4, now 8"):
            open_record(load("net.width=8"))
        open_record(load("net.layers=[a]"))
        open_record(load("net.table=rowz"))  # other content is what counts, and that is as long
        with pytest.raises(SpaceChangedError, match="other content"):
            open_record(load("net.table=columns"))

    def test_a_record_explains_it_to_a_reader_that_does_not_have_it(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record: list[Event] = []
        conduct(load(*SEARCH), record)
        write(folder, record)
        monkeypatch.undo()  # `toy` is not registered any more
        state = SearchState.from_events(read_events(folder / "runs" / "space"))
        assert state.started is not None
        known = explained(state.started)
        assert (known.subject, known.artifact) == ("a net of rows", "net")
        assert {metric.name: metric.relative for metric in known.metrics} == {
            "accuracy": "accuracy_kept",
            "distance": "distance_ratio",
            "audit": None,
        }


class TestProjections:
    def record(self) -> list[Event]:
        record: list[Event] = []
        conduct(load(*SEARCH, "guards.retention=null"), record)
        return record

    def test_mlflow_gets_its_section_and_its_metrics(self) -> None:
        projection = Projection()
        for event in self.record():
            projection.apply(event)
        params = config_params(load().model_dump(mode="json"))
        assert params["net.table"] == "rows"
        names = {point.key for run in projection.runs.values() for point in run.points}
        assert {"accuracy", "accuracy_kept", "distance_ratio"} <= names

    def test_another_search_begins_with_it_and_optuna_reads_it(self, folder: Path) -> None:
        write(folder, self.record())
        config = load("name=next", "warm_start=runs/space", "warm_start.use=prior")
        known = read_warm_start(config, SearchSpace(config.parameters, config.fixed))
        assert len(known.trials) == 4
        assert any(trial.values is not None and len(trial.values) == 2 for trial in known.trials)
        assert export(["search=runs/space", "out=study.db"]) == 0

    def test_a_recorded_search_is_simulated(self) -> None:
        state = SearchState.from_events(self.record())
        again = simulate(load(*SEARCH), RecordedCurves(state), workers=2)
        assert again.state.searched == 4
        assert not again.censored

    def test_the_report_and_the_summary_take_it(self, folder: Path) -> None:
        record = self.record()
        state = SearchState.from_events(record)
        summary = write_summary(state, folder)
        assert (summary["search"]["model"], summary["search"]["task"]) == ("a net of rows", None)
        assert f"- Net: `{summary['recommended']['net']}` in" in (folder / "summary.md").read_text()
        made = {card.card.name: card for card in make(cards(), Context(state, folder))}
        assert not {name: card.message for name, card in made.items() if card.state == "error"}
        for name in ("outcomes", "knowledge", "late", "samples", "investigation"):
            assert made[name].message == "Trials of toy are not evaluated on questions."
        verdict, words = made["verdict"].findings, made["vocabulary"].findings
        assert verdict is not None
        assert words is not None
        assert "its accuracy is" in " ".join(verdict.texts)
        assert words.data["metrics"]["accuracy_kept"].startswith("Accuracy divided by the base model's")
        assert "adapter" not in str(words.tables)

    def test_the_view_takes_it(self) -> None:
        file = io.StringIO()
        view = make_view(Console(file=file), load(*SEARCH), 4, live=False)
        for event in self.record():
            view(event)
        text = file.getvalue()
        assert "model a net of rows" in text
        assert "accuracy 0.8" in text
