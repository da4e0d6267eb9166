"""Composition: space, presets, sections by name, overrides, and where each value came from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search.config.load import load_config
from search.config.origins import DEFAULT
from search.errors import ConfigError
from tests.search.config_files import SPACE, line_of, write_space
from trainables import embedded


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_values_come_from_the_space_and_the_defaults() -> None:
    resolved = load_config(["space=space.yaml"])
    config, origins = resolved.config, resolved.origins
    assert (config.name, config.trials, config.seed) == ("space", 6, 0)
    assert config.parameters["lr"].low == 1e-4  # type: ignore[union-attr]
    assert origins.of_value(("trials",)) == f"space.yaml:{line_of(SPACE, 'trials')}"
    assert origins.of_value(("seed",)) == DEFAULT
    assert origins.of_value(("name",)) == "command line: space=space.yaml"


def test_overrides_reach_any_depth_and_beat_the_space() -> None:
    words = [
        "trials=30",
        "parameters.lr.high=1e-3",
        "fixed.clip=0.5",
        "capability.skills.1.limit=3",
        "budget.eta=2",
    ]
    resolved = load_config(
        ["space=space.yaml", *words, "objectives=[{metric: facts_likelihood, direction: max}]"]
    )
    config = resolved.config
    assert config.trials == 30
    assert config.parameters["lr"].high == 1e-3  # type: ignore[union-attr]
    assert config.fixed == {"batch_size": 4, "clip": 0.5}
    assert config.capability.skills[1].limit == 3
    assert [objective.metric for objective in config.objectives] == ["facts_likelihood"]
    assert resolved.origins.of_value(("trials",)) == "command line: trials=30"
    assert resolved.origins.of_value(("budget", "steps")) == f"space.yaml:{line_of(SPACE, 'steps')}"


def test_a_parameter_is_replaced_as_a_whole_and_a_mapping_is_merged() -> None:
    words = ["parameters.lr={type: categorical, choices: [1e-4, 1e-3]}", "budget={rungs: 2}"]
    config = load_config(["space=space.yaml", *words]).config
    assert config.parameters["lr"].model_dump(exclude_none=True) == {
        "type": "categorical",
        "choices": (1e-4, 1e-3),
    }
    assert (config.budget.full_steps, config.budget.rungs) == (9, 2)


def test_null_takes_a_parameter_out_so_that_it_can_be_fixed() -> None:
    config = load_config(["space=space.yaml", "parameters.rank=null", "fixed.rank=8"]).config
    assert list(config.parameters) == ["lr"]
    assert config.fixed["rank"] == 8


def test_sections_are_chosen_by_preset_path_or_hub_id(folder: Path) -> None:
    config = load_config(
        [
            "space=space.yaml",
            "model=org/big-model",
            "task=train.jsonl",
            "capability=facts.jsonl",
            "searcher=random",
        ]
    ).config
    assert (config.model.name, config.model.source) == ("big-model", "org/big-model")
    assert (config.task.name, config.task.train, config.task.format) == ("train", "train.jsonl", "auto")
    assert config.capability.skills[0].scoring == ("generation", "likelihood")
    assert config.searcher.name == "random"
    shutil.copytree(embedded.model_dir(), folder / "model")
    assert load_config(["space=space.yaml", "model=./model"]).config.model.source == "./model"


def test_a_task_without_a_name_bears_that_of_its_first_file(folder: Path) -> None:
    shutil.copy(folder / "train.jsonl", folder / "more.jsonl")
    config = load_config(["space=space.yaml", "task=[more.jsonl,train.jsonl]"]).config
    assert (config.task.name, config.task.train) == ("more", ("more.jsonl", "train.jsonl"))
    write_space(folder, SPACE.replace("  name: letters\n", ""))
    config = load_config(["space=space.yaml"]).config
    assert (config.task.name, config.task.train) == ("train", "train.jsonl")


def test_a_preset_can_be_changed_in_parts_in_the_file_and_on_the_command_line(folder: Path) -> None:
    text = SPACE.replace(
        "model: {name: small, source: embedded}", "model: {preset: embedded, dtype: float32}"
    )
    write_space(folder, text)
    resolved = load_config(["space=space.yaml", "model.name=other"])
    assert resolved.config.model.model_dump(exclude_defaults=True) == {
        "name": "other",
        "source": "embedded",
        "dtype": "float32",
    }
    assert resolved.origins.of_value(("model", "dtype")) == "space.yaml:2"
    assert resolved.origins.of_value(("model", "source")).endswith("model/embedded.yaml:3")


def test_choosing_another_model_leaves_nothing_of_the_space_s_own(folder: Path) -> None:
    write_space(folder, SPACE.replace("source: embedded}", "source: embedded, dtype: float32}"))
    assert load_config(["space=space.yaml", "model=embedded"]).config.model.dtype == "auto"


def test_an_entry_of_a_list_that_the_space_leaves_at_its_default_can_be_changed() -> None:
    resolved = load_config(["space=space.yaml", "objectives.1.floor=0.8"])
    assert [objective.metric for objective in resolved.config.objectives] == ["train_loss", "retention"]
    assert resolved.config.objectives[1].floor == 0.8
    assert resolved.origins.of_value(("objectives", 1, "metric")) == DEFAULT


def test_order_of_words_does_not_matter() -> None:
    words = ["model.dtype=float32", "trials=3", "model=embedded", "space=space.yaml"]
    assert load_config(words).config == load_config(words[::-1]).config


def test_interpolation_cannot_reach_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", "out=${oc.env:SECRET}"])
    assert "hunter2" not in str(caught.value)
    assert caught.value.problems[0].key == "out"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("30", 30), ("true", True), ("null", None), ("no", "no"), ("2024-01-01", "2024-01-01")],
)
def test_scalars_are_read_as_yaml_1_2_has_them(text: str, value: object) -> None:
    with_value = (
        load_config(["space=space.yaml", f"points=[{{lr: {text}, rank: 2}}]"]) if value == 1e-3 else None
    )
    if with_value is not None:
        assert with_value.config.points[0]["lr"] == value
        return
    from search.config.overrides import parse_words

    overrides, problems = parse_words([f"x={text}"])
    assert not problems
    assert overrides[0].value == value
    assert type(overrides[0].value) is type(value)
