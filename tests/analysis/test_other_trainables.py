"""Summary and report of trainables that are not installed, in the words of their records."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from analysis.investigate.errors import InputError
from analysis.investigate.from_search import from_search
from analysis.markdown import to_markdown
from analysis.render import render_summary
from analysis.report import write_report
from analysis.report.build import make
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.summary import summarise
from search.record import Event, SearchStarted, SearchState
from search.record.events import RecordedMetric, RecordedTrainable
from search.record.explained import explained, explanation
from tests.analysis.other_records import KINDS, LRS, Parameters, described, search_events, state_of_kind
from tests.analysis.report_records import config, whole

OF_LORA = ("adapter", "capability", "retention", "question", "peft", "lora")
ABOUT_QUESTIONS = ("investigation", "late", "outcomes", "knowledge", "samples")


def texts(value: Any) -> Iterator[str]:
    """Every text of a structure, keys of mappings too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from texts([getattr(value, field.name) for field in dataclasses.fields(value)])


def summary_texts(state: SearchState, folder: Path) -> str:
    """The summary as data, as a page and on the terminal."""
    summary = summarise(state, folder)
    console = Console(file=io.StringIO(), width=400)
    render_summary(console, summary)
    assert isinstance(console.file, io.StringIO)
    return "\n".join([json.dumps(summary), to_markdown(summary), console.file.getvalue()])


def report_texts(context: Context) -> dict[str, str]:
    """What each card shows, but for the configuration, which has settings of every search."""
    shown = {}
    for registered in cards():
        if registered.card.applies(context) is not None:
            continue
        findings = registered.card.compute(context)
        if registered.name == "environment":
            findings = dataclasses.replace(findings, data={}, listings=findings.listings[:1])
        words = (text.format_map(context.terms) for text in (registered.title, registered.read))
        shown[registered.name] = "\n".join([*words, *texts(findings)])
    return shown


SCATTER = {
    "one": ("accuracy", "", ["accuracy_kept"]),
    "none": ("what is kept", "No metric of toy is compared with the base model.", []),
    "rising": (
        "what is kept",
        "No metric of toy of which higher is better is compared with the base model.",
        ["latency_ratio"],
    ),
    "two": ("accuracy", "", ["accuracy_kept", "speed_ratio"]),
}
"""By kind: what the card on the loss is against, why it does not apply, and the ratios with curves."""

NAMED = {"capability": "score", "retention": "keeping"}

NAMES = st.from_regex(r"[a-z]{3,9}(_[a-z]{2,5})?", fullmatch=True).filter(
    lambda name: not any(word in name for word in (*OF_LORA, "train_loss"))
)


@st.composite
def descriptions(draw: st.DrawFn) -> RecordedTrainable:
    names = draw(st.lists(NAMES, min_size=2, max_size=8, unique=True))
    metrics = []
    for name, ratio in zip(names[::2], names[1::2], strict=False):
        low, high = draw(st.sampled_from([(0.0, 1.0), (0.0, float("inf")), (1.0, 5.0)]))
        metrics.append(
            RecordedMetric(
                name=name,
                meaning=draw(st.sampled_from(["Share of correct rows.", "How long it takes."])),
                direction=draw(st.sampled_from(["min", "max", None])),
                low=low,
                high=high,
                relative=draw(st.sampled_from([None, ratio])),
                items=draw(st.sampled_from([(), ("rows",)])),
                sample=draw(st.sampled_from(["rows", "items", "runs"])),
            )
        )
    artifact = draw(st.sampled_from(["net", "soft prompt", "merged model"]))
    parameters = draw(st.sampled_from([("lr", "width", "seed"), ("depth", "seed"), ()]))
    return described(*metrics, artifact=artifact, parameters=parameters)


SPACES: list[Parameters] = [
    LRS,
    {"rank": (2, 4, 8), "depth": (1, 2, 3, 4, 5)},
    {"lr": (1e-4, 1e-3), "rank": (1, 2, 4, 8, 16, 32)},
]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(descriptions(), st.sampled_from(SPACES))
def test_it_is_spoken_of_in_its_own_words(
    tmp_path: Path, trainable: RecordedTrainable, parameters: Parameters
) -> None:
    state = SearchState.from_events(search_events(trainable, parameters))
    summary = summary_texts(state, tmp_path)
    report = report_texts(Context(state, tmp_path))
    everything = "\n".join([summary, *report.values()]).lower()
    assert not [word for word in OF_LORA if word in everything]
    for metric in trainable.metrics:
        assert metric.meaning in report["vocabulary"]
        for name in filter(None, (metric.name, metric.relative)):
            assert name in summary
            assert name in report["vocabulary"]
        assert metric.name in report["verdict"]
    left = f"{trainable.artifact} (ONNX)"
    assert f"Its {left} is trials/0001/rung-2" in report["verdict"]
    assert f"{left[0].upper()}{left[1:]}: `trials/0001/rung-2`" in summary
    assert report.keys() >= {"verdict", "pareto", "heatmaps", "curves", "progress", "parallel"}
    assert report.keys().isdisjoint(ABOUT_QUESTIONS)
    assert ("ranks" in report) == ({"lr", "rank"} <= parameters.keys())
    kept = {metric.name for metric in trainable.metrics if metric.relative and metric.direction == "max"}
    assert ("scatter" in report) == bool(kept)
    assert ("change" in report) == (bool(kept) and "lr" in parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_made_whole_and_says_what_does_not_apply(kind: str, tmp_path: Path) -> None:
    state = state_of_kind(kind)
    page = write_report(state, tmp_path, out=tmp_path / "report")
    made = json.loads((page.parent / "report.json").read_text())["cards"]
    assert not [card for card in made.values() if card["state"] == "error"]
    for name in ABOUT_QUESTIONS:
        assert made[name]["message"] == "Trials of toy are not evaluated on questions."
    title, message, ratios = SCATTER[kind]
    assert (made["scatter"]["title"], made["scatter"]["message"]) == (f"Loss against {title}", message)
    assert (page.parent / "scatter-loss-accuracy.png").exists() == (not message)
    curves = {path.stem.removeprefix("curves-curves-") for path in page.parent.glob("curves-*.png")}
    assert curves - {"training", "train_loss"} == set(ratios)
    for name in ratios[not message :]:
        metric, _, _ = name.partition("_")
        assert f"its {metric} is " in " ".join(made["verdict"]["texts"])
    text = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
    assert "Space demo, trainable toy, model a net of rows, seed 0." in text


def test_the_primary_of_two_ratios_is_the_objective(tmp_path: Path) -> None:
    trainable = KINDS["two"][0]
    turned = trainable.model_copy(update={"metrics": trainable.metrics[::-1]})
    events = search_events(turned, KINDS["two"][1])
    context = Context(SearchState.from_events(events), tmp_path)
    assert (context.ratio, context.compared) == ("speed_ratio", ["speed_ratio", "accuracy_kept"])
    (started, *others) = events
    assert isinstance(started, SearchStarted)
    objective = {"metric": "accuracy_kept", "direction": "max", "floor": 0.9}
    chosen = started.model_copy(update={"config": started.config | {"objectives": [objective]}})
    context = Context(SearchState.from_events([chosen, *others]), tmp_path)
    assert (context.ratio, context.terms["score"]) == ("accuracy_kept", "accuracy")


def test_searches_over_different_trainables_are_compared_as_far_as_they_can_be(tmp_path: Path) -> None:
    ours, theirs = state_of_kind("one"), SearchState.from_events(whole(tmp_path))
    registered = [each for each in cards() if each.name == "comparison"]
    for state, other in ((ours, theirs), (theirs, ours)):
        (comparison,) = make(registered, Context(state, tmp_path, (other, tmp_path)))
        assert comparison.state == "shown", comparison.message
        assert comparison.findings is not None
        assert not comparison.findings.plots


def test_there_is_nothing_to_investigate_without_questions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Trials of toy are not evaluated on questions"):
        from_search(state_of_kind("one"), tmp_path)


def test_questions_whose_score_is_named_otherwise_make_the_same_report(tmp_path: Path) -> None:
    """The investigation has its own words, and is of the same answers."""

    def renamed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {NAMED.get(key, key): renamed(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [renamed(part) for part in value]
        return NAMED.get(value, value) if isinstance(value, str) else value

    events = whole(tmp_path)
    started = events[0]
    assert isinstance(started, SearchStarted)
    known = explanation("lora", config().options)
    named = RecordedTrainable.model_validate(renamed(known.model_dump()))
    asked = started.config | {"objectives": renamed(started.config["objectives"])}
    theirs: list[Event] = [started.model_copy(update={"config": asked, "trainable": named})]
    for event in events[1:]:
        changed = {
            field: {NAMED.get(key, key): measured for key, measured in getattr(event, field).items()}
            for field in ("metrics", "intervals")
            if hasattr(event, field)
        }
        theirs.append(event.model_copy(update=changed))
    ours = report_texts(Context(SearchState.from_events(events), tmp_path))
    others = report_texts(Context(SearchState.from_events(theirs), tmp_path))
    assert others.pop("investigation").splitlines()[1:] == ours.pop("investigation").splitlines()[1:]
    for word, other in {
        **NAMED,
        **{word.capitalize(): other.capitalize() for word, other in NAMED.items()},
    }.items():
        ours = {card: text.replace(word, other) for card, text in ours.items()}
    assert others == ours


class TestLora:
    """What a record says of `lora`, and what is known of older records that say nothing."""

    def state(self, folder: Path, **changes: Any) -> SearchState:
        started, *events = whole(folder)
        assert isinstance(started, SearchStarted)
        return SearchState.from_events([started.model_copy(update=changes), *events])

    def test_a_record_that_explains_it_reads_as_an_older_one_does(self, tmp_path: Path) -> None:
        older = self.state(tmp_path)
        newer = self.state(tmp_path, trainable=explanation("lora", config().options))
        assert summarise(older, tmp_path) == summarise(newer, tmp_path)
        assert report_texts(Context(older, tmp_path)) == report_texts(Context(newer, tmp_path))

    def test_of_another_version_the_settings_that_are_known_still_explain_it(self, tmp_path: Path) -> None:
        older = self.state(tmp_path)
        assert older.started is not None
        known = older.started.config
        skills = [skill | {"gone": 1, "limit": -1} for skill in known["capability"]["skills"]]
        changed = known | {"capability": known["capability"] | {"skills": skills, "gone": {"a": 1}}}
        other = self.state(tmp_path, config=changed)
        assert other.started is not None
        assert explained(other.started).metrics == explained(older.started).metrics
        assert report_texts(Context(other, tmp_path)).keys() == report_texts(Context(older, tmp_path)).keys()
