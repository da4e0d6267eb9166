"""Configurations for other trainers: they say what was trained, in keys that the libraries know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from transformers import TrainingArguments, get_scheduler

from search.judging.recommend import recommend
from search.record import Event, SearchState, TrialProposed, read_events
from tests.records import make_config, make_events, make_reading_config, opening_events, trial_events
from tests.tightrope.exports import ADAPTER, write_search
from tightrope.cli import main
from tightrope.export.recipes import RECIPES
from tightrope.export.recipes.base import schedule
from tightrope.export.recipes.trl import lora_arguments, training_arguments
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.lora.recipe import recipe
from trainables.recipe import DataFile, Recipe, Run
from trainables.serving.schedule import learning_rate


def make_recipe(params: LoraParameters, steps: int = 90, **task: Any) -> Recipe:
    config = make_config(8)
    options = LoraOptions.model_validate(
        {
            "model": config.model,
            "task": {"name": "t", "train": "mine.jsonl"} | task,
            "capability": config.capability,
        }
    )
    return recipe(Run(options, params, steps, ADAPTER, {"format": "text", "max_length": 64}))


@settings(deadline=None)
@given(
    st.sampled_from(["wsd", "constant", "linear", "cosine"]),
    st.integers(2, 60),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
)
def test_the_learning_rate_is_the_same_at_every_step(
    shape: Any, steps: int, warmup: float, decay: float
) -> None:
    params = LoraParameters(lr=1e-3, schedule=shape, warmup=warmup, decay=decay)
    made = make_recipe(params, steps)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=params.lr)
    planned = schedule(made)
    scheduler = get_scheduler(
        planned["lr_scheduler_type"],
        optimizer,
        num_warmup_steps=made.warmup_steps,
        num_training_steps=steps,
        scheduler_specific_kwargs=planned.get("lr_scheduler_kwargs"),
    )
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    warm = made.warmup_steps
    ours = [learning_rate(params, step, steps) for step in range(steps)]
    assert rates[warm:] == pytest.approx(ours[warm:])
    assert rates[1:warm] == pytest.approx(ours[: max(0, warm - 1)])


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_search(tmp_path / "runs" / "demo", [_with_one_alpha(event) for event in make_events(8)])


def _with_one_alpha(event: Event) -> Event:
    """The formula's records have alpha in both forms; a trial that is trained has one of them."""
    if not isinstance(event, TrialProposed):
        return event
    return event.model_copy(
        update={"params": {key: value for key, value in event.params.items() if key != "alpha"}}
    )


def written(search: Path, trainer: str) -> tuple[str, dict[str, Any]]:
    """A configuration, and the parameters of its trial."""
    state = SearchState.from_events(read_events(search))
    best = recommend(state).trial
    assert best is not None
    assert main(["export", "demo", f"config={trainer}"]) == 0
    (file,) = Path("exported").glob(f"demo-{best}-{trainer}.*")
    return file.read_text(), dict(state.trials[best].params)


def test_axolotl_and_llamafactory_have_the_trial_in_yaml(search: Path) -> None:
    text, params = written(search, "axolotl")
    content = yaml.safe_load(text)
    assert content["learning_rate"] == pytest.approx(params["lr"])
    assert (content["lora_r"], content["lora_alpha"]) == (
        params["rank"],
        params["alpha_per_rank"] * params["rank"],
    )
    assert content["max_steps"] == 90
    assert content["lora_target_modules"] == ["k_proj", "o_proj", "q_proj", "v_proj"]
    text, params = written(search, "llamafactory")
    content = yaml.safe_load(text)
    assert content["learning_rate"] == pytest.approx(params["lr"])
    assert (content["lora_rank"], content["lora_alpha"]) == (
        params["rank"],
        params["alpha_per_rank"] * params["rank"],
    )
    assert content["lora_target"] == "k_proj,o_proj,q_proj,v_proj"
    assert content["dataset"] == "data"
    assert '"file_name": "domain.jsonl"' in text
    assert TrainingArguments(**{key: content[key] for key in _TRAINING}).max_steps == 90


_TRAINING = (
    "per_device_train_batch_size", "gradient_accumulation_steps", "max_steps", "learning_rate",
    "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "optim", "weight_decay", "max_grad_norm",
    "seed", "output_dir",
)  # fmt: skip


def test_the_script_for_trl_has_arguments_that_the_libraries_take(search: Path) -> None:
    text, params = written(search, "trl")
    compile(text, "script", "exec")
    assert f"learning_rate={params['lr']!r}" in text
    made = make_recipe(
        LoraParameters(
            rank=8, alpha=16, layers=2, rslora=True, init_lora_weights="pissa_niter_4", use_dora=True
        )
    )
    assert "pissa_iter: 4" in RECIPES["llamafactory"].write(made)
    assert "peft_init_lora_weights: pissa_niter_4" in RECIPES["axolotl"].write(made)
    assert any("path_initial_model_for_weight_conversion" in sentence for sentence in made.unsaid)
    assert TrainingArguments(**training_arguments(made)).warmup_steps == 9
    assert "create_loraplus_optimizer" not in RECIPES["trl"].write(made)
    text = RECIPES["trl"].write(make_recipe(LoraParameters(loraplus_lr_ratio=16)))
    compile(text, "script", "exec")
    assert "trainer.optimizer = create_loraplus_optimizer(" in text
    assert "loraplus_lr_ratio=16.0" in text
    lora = LoraConfig(**lora_arguments(made))
    assert (lora.init_lora_weights, lora.use_dora) == ("pissa_niter_4", True)
    assert (lora.r, lora.lora_alpha, lora.use_rslora, lora.layers_to_transform) == (8, 16, True, [0, 1])


def test_hostile_names_stay_values_and_comments(tmp_path: Path) -> None:
    name = 'x"\nimport os  # \x1b\u2028'
    made = make_recipe(LoraParameters(), prompt="{a}\n{b}", completion="{c}")
    hostile = replace(
        made, base=name, data=replace(made.data, files=(DataFile(name, None),), form="template")
    )
    for trainer in RECIPES:
        text = RECIPES[trainer].write(hostile)
        if trainer == "trl":
            assert not any(line.startswith("import os") for line in text.splitlines())
            compile(text, "script", "exec")
        else:
            content = yaml.safe_load(text)
            assert name in (content.get("base_model"), content.get("model_name_or_path"))


def test_what_has_no_recipe_says_so(search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "demo", "--config", "axlotl"]) == 2
    assert "did you mean axolotl?" in capsys.readouterr().err
    events = [*opening_events(make_reading_config()), *trial_events(0, {"f1": 0.5})]
    reading = write_search(tmp_path / "reading", events)
    assert main(["export", str(reading), "0", "config=trl"]) == 2
    assert "cannot train what reconstruction trains" in capsys.readouterr().err
    assert not Path("exported").exists()
