"""`import tightrope`: a search as an object."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tightrope
from search.config.load import load_config
from search.errors import ConfigError, RecordError
from search.judging.pareto import pareto_front
from search.judging.recommend import recommend
from search.record import SearchState, read_events
from tests.records import make_config, make_events, opening_events, trial_events, write_record
from tests.tightrope.exports import write_search
from tightrope.settings import to_words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_search(tmp_path_factory.mktemp("runs") / "demo", make_events(12))


def test_a_finished_search_is_what_its_record_says(folder: Path) -> None:
    state, result = SearchState.from_events(read_events(folder)), tightrope.load(folder)
    best = result.best
    assert best is not None
    assert best.number == recommend(state).trial
    assert result.reason == recommend(state).reason
    assert [trial.number for trial in result.front] == [each.number for each in pareto_front(state)]
    assert (result.name, result.ended, len(result)) == ("demo", "finished", len(state.trials))
    assert best.artifact is not None
    assert (best.artifact / "adapter_model.safetensors").is_file()
    assert best.metrics["retention"] == result.trials.loc[best.number, "metric.retention"]
    assert best.intervals["retention"].low == result.trials.loc[best.number, "metric.retention.low"]
    assert best.params["lr"] == result.trials.loc[best.number, "param.lr"]
    assert result.baselines["base"]["retention"] == 1.0
    assert "Search demo: finished" in repr(result)
    assert result.summary["recommended"]["trial"] == best.number
    json.dumps(result.summary, allow_nan=False)


def test_report_and_export_write_where_they_say(folder: Path, tmp_path: Path) -> None:
    result = tightrope.load(folder)
    assert result.best is not None
    exported = result.export(to=tmp_path / "out")
    assert exported == tmp_path / "out"
    assert (exported / "adapter_config.json").is_file()
    assert f"trial {result.best.number}" in (exported / "README.md").read_text()


def test_a_search_without_a_recommendation_says_why(tmp_path: Path) -> None:
    events = [*opening_events(make_config(8)), *trial_events(0, {"train_loss": 1.0, "retention": 0.4})]
    write_search(tmp_path / "demo", events)
    result = tightrope.load(tmp_path / "demo")
    assert (result.best, result.ended) == (None, None)
    assert "retention" in result.reason
    with pytest.warns(UserWarning, match="breaks a constraint"):
        result.export(0, tmp_path / "out")
    with pytest.raises(KeyError):
        result[7]
    write_record(tmp_path / "begun", opening_events())
    assert len(tightrope.load(tmp_path / "begun").trials) == 0
    with pytest.raises(RecordError, match="no search"):
        tightrope.load(tmp_path / "other")


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["seed", "trials", "budget.steps"]), st.integers(9, 10**6), min_size=1, max_size=3
    ),
    st.floats(1e-8, 1e-4),
    st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True),
)
def test_settings_in_python_are_those_of_the_command_line(
    numbers: dict[str, int], low: float, ranks: list[int]
) -> None:
    nested = {"parameters": {"lr": {"low": low}, "rank": {"type": "categorical", "choices": ranks}}}
    config = load_config(to_words({"space": "demo", **numbers, **nested})).config
    plain = config.model_dump()
    for key, value in numbers.items():
        section, _, name = key.partition(".")
        assert (plain[section][name] if name else plain[section]) == value
    assert plain["parameters"]["lr"]["low"] == low
    assert list(plain["parameters"]["rank"]["choices"]) == ranks


def test_a_section_given_as_a_mapping_is_the_section(tmp_path: Path) -> None:
    train = tmp_path / "my: data.jsonl"
    train.write_text("".join(f'{{"prompt": "{n}", "completion": "b"}}\n' for n in range(9)))
    task = MappingProxyType({"train": train})
    config = load_config(to_words({"space": Path("demo"), "task": task, "task.max_length": 32})).config
    assert config.name == "demo-my-data"
    assert (config.options.task.train, config.options.task.name) == (str(train), "my: data")
    assert (config.options.task.heldout, config.options.task.format) == (None, "auto")
    assert config.options.task.max_length == 32
    assert load_config(to_words({"space": "demo", "task": train})).config.options.task.train == str(train)
    assert to_words({"out": Path("123"), "task": train.name}) == ['out="123"', "task=my: data.jsonl"]


def test_a_wrong_setting_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="trails"):
        tightrope.search(space="demo", trails=3)
    assert list(inspect.signature(tightrope.search).parameters) == ["space", "callbacks", "settings"]
