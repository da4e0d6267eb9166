"""A task of lm-evaluation-harness in the configuration, and in an evaluation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from search.config.load import load_config
from search.errors import ConfigError
from search.groups.settings import group_settings
from tests.trainables.harness_tasks import choice_task, generation_task
from trainables.evaluation.evaluator import Evaluator
from trainables.lora.loading import load
from trainables.settings import SkillConfig

installed = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"
)


@installed
@pytest.mark.integration
def test_a_task_file_is_a_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice_task(tmp_path, 1, count=6)
    monkeypatch.chdir(tmp_path)
    config = load_config(["space=demo", "capability=lm_eval:facts_1.yaml", f"out={tmp_path / 'out'}"]).config
    (skill,) = config.capability.skills
    assert (skill.name, skill.scoring, skill.harness) == ("facts_1", ("harness",), "facts_1.yaml")
    settings = group_settings(config, tmp_path, 1)
    monkeypatch.chdir("/")
    loaded = load(settings, torch.device("cpu"))
    evaluator = Evaluator(
        loaded.model, loaded.tokenizer, settings.options.capability, [], settings.seed, harness=loaded.harness
    )
    measured = evaluator.measure()
    assert measured.metrics["capability"] == measured.metrics["facts_1_harness"]
    assert "facts_1_acc_norm" in measured.metrics
    assert measured.parts.keys() >= {"harness"}
    assert len(evaluator.items["facts_1"]) == 6


@installed
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    path = f"lm_eval:{generation_task(tmp_path)}"
    assert SkillConfig(name="sums", path=path, scoring=("harness",)).harness == path.removeprefix("lm_eval:")
    for wrong in (
        {"path": path},
        {"path": path, "scoring": ("harness", "likelihood")},
        {"path": "sums.jsonl", "scoring": ("harness",)},
        {"path": "sums.jsonl", "chat": True},
    ):
        with pytest.raises(ValidationError, match="lm_eval"):
            SkillConfig.model_validate({"name": "sums", **wrong})
    with pytest.raises(ConfigError, match="has no task 'arc_eazy'; did you mean 'arc_easy'"):
        load_config(["space=demo", "capability=lm_eval:arc_eazy", f"out={tmp_path}"])
    unnamed = "[{name: facts, path: 'lm_eval:', scoring: [harness]}]"
    with pytest.raises(ConfigError, match="names no task"):
        load_config(["space=demo", f"capability.skills={unnamed}", f"out={tmp_path}"])
    with pytest.raises(ConfigError, match="there is no task file"):
        load_config(["space=demo", "capability=lm_eval:none.yaml", f"out={tmp_path}"])
