"""Words of other tools: each is answered with the line to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.config.foreign import KEYS, SETTINGS, TRAINED
from search.config.known import all_keys
from search.config.load import load_config
from search.config.origins import dotted
from search.config.schema import config_model
from search.errors import ConfigError, Problem
from tests.search.config_files import write_space
from trainables.lora.parameters import LoraParameters

LOG = "{type: log-float, low: 1e-05, high: 0.01}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(*words: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", *words])
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("{type: float, low: 1e-5, high: 1e-2, log: true}", LOG),  # Optuna
        ("suggest_loguniform(1e-5, 1e-2)", LOG.replace("1e-05", "1e-5").replace("0.01", "1e-2")),
        ("suggest_float(1e-5, 1e-2, log=True)", LOG.replace("1e-05", "1e-5").replace("0.01", "1e-2")),
        ("tune.loguniform(1e-5, 1e-2)", LOG.replace("1e-05", "1e-5").replace("0.01", "1e-2")),  # Ray Tune
        ("{type: loguniform, lower: 1e-5, upper: 1e-2}", LOG),
        ("{distribution: log_uniform_values, min: 1e-5, max: 1e-2}", LOG),  # W&B
        ("{min: 1e-5, max: 1e-2}", LOG),  # the space's own type stays
        ("{type: uniform, low: 1e-5, high: 1e-2}", "{type: float, low: 1e-05, high: 0.01}"),
        ("tag(log, interval(1e-5, 1e-2))", LOG.replace("1e-05", "1e-5").replace("0.01", "1e-2")),  # Hydra
        ("{type: range, bounds: [1e-5, 1e-2], log_scale: true}", LOG),  # Ax
        ("{distribution: normal, mu: 0, sigma: 1}", "normal distributions are not supported"),
        ("{type: float, low: 1e-5, high: 1e-2, log: false}", "remove it"),
        ("{type: float, low: 1e-5, high: 1e-2, step: 1e-4}", "only type: int has steps"),
        ("1e-4", "fixed.lr=0.0001"),
        ("{type: float, value: 1e-4}", "fixed.lr=0.0001"),
        ("{type: constant, value: 1e-4}", "fixed.lr=0.0001"),
    ],
)
def test_a_range_in_the_form_of_another_tool(given: str, meant: str) -> None:
    found = problems(f"parameters.lr={given}")
    assert found
    assert all(meant in (problem.hint or "") for problem in found), found


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("[4, 8]", "{type: categorical, choices: [4, 8]}"),
        ("choice(4, 8)", "{type: categorical, choices: [4, 8]}"),
        ("hp.choice([4, 8])", "{type: categorical, choices: [4, 8]}"),
        ("{values: [4, 8]}", "{type: categorical, choices: [4, 8]}"),
        ("{type: choice, values: [4, 8]}", "{type: categorical, choices: [4, 8]}"),
        ("{type: categorical, values: [4, 8]}", "{type: categorical, choices: [4, 8]}"),
        ("{distribution: categorical, values: [4, 8]}", "{type: categorical, choices: [4, 8]}"),
        ("{type: quniform, min: 4, max: 8, q: 2}", "{type: int, low: 4, high: 8, step: 2}"),
        ("{type: int_uniform, min: 4, max: 8}", "{type: int, low: 4, high: 8}"),
        ("{type: int, low: 4, high: 64, log: true}", "{type: categorical, choices: [4, ..., 64]}"),
        ("{type: categorical, choices: [4, 8], default: 8}", "points: [{rank: 8}]"),
        ("{type: categorical, choices: [4, 8], weights: [1, 2]}", "equally likely"),
        ("randint(4, 8)", "{type: int, low: 4, high: 8}"),
        ("sample_from(2)", "type: expression"),
    ],
)
def test_choices_and_whole_numbers_in_the_form_of_another_tool(given: str, meant: str) -> None:
    found = problems(f"parameters.rank={given}")
    assert found
    assert all(meant in (problem.hint or "") for problem in found), found


def test_what_is_hinted_at_is_there() -> None:
    known = {dotted(key) for key in all_keys(config_model("lora"))}
    assert set(SETTINGS.values()) <= known
    assert set(TRAINED.values()) <= set(LoraParameters.model_fields)
    assert not known & set(SETTINGS), "a word of this tool is no other tool's"
    assert not set(TRAINED) & set(LoraParameters.model_fields)
    assert set(KEYS.values()) == {"low", "high", "choices", "type", "step", "points", "when"}


@pytest.mark.parametrize("word", sorted(SETTINGS))
def test_a_setting_of_another_tool(word: str) -> None:
    (problem,) = problems(f"{word}=3")
    assert f"did you mean {SETTINGS[word]}?" in (problem.hint or "")


@pytest.mark.parametrize("word", sorted(TRAINED))
def test_a_parameter_of_another_tool(word: str) -> None:
    (problem,) = problems(f"fixed.{word}=1")
    assert f"did you mean {TRAINED[word]}" in (problem.hint or "")


def test_slips_of_the_pen_are_still_those() -> None:
    (problem,) = problems("parameters.lr.lo=1e-5")
    assert problem.hint == "did you mean low?"
