"""The recipe of a LoRA trial, for other trainers. Light: no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables import embedded
from trainables.data.fields import unescaped
from trainables.data.formats.base import AUTO
from trainables.data.sources import HubDataset, kind_of, locate, user_path
from trainables.errors import UserError
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.own.records import makes_records
from trainables.recipe import DataFile, DataRecipe, Recipe, Run
from trainables.serving.schedule import warmup_steps
from trainables.settings import TaskConfig

_CONFIG = "adapter_config.json"


def recipe(run: Run) -> Recipe:
    """What another trainer needs to train the adapter again."""
    options: LoraOptions = run.options
    params: LoraParameters = run.params
    model, warm = options.model, warmup_steps(params, run.steps)
    folder = embedded.embedded_folder(model.source)
    return Recipe(
        base=model.source if folder is None else str(folder),
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
        nf4=model.quantization == "nf4",
        double_quant=model.double_quant,
        lr=params.lr,
        weight_decay=params.weight_decay,
        clip=params.clip,
        schedule=params.schedule,
        warmup_steps=warm,
        decay_steps=min(round(params.decay * run.steps), run.steps - warm),
        steps=run.steps,
        batch_size=params.batch_size,
        seed=params.seed,
        rank=params.rank,
        alpha=params.effective_alpha,
        dropout=params.dropout,
        rslora=params.rslora,
        start=params.peft_start,
        loraplus_lr_ratio=params.loraplus_lr_ratio,
        dora=params.use_dora,
        targets=_targets(run.artifact),
        layers=params.layers,
        data=_data(options.task, run.data),
        unsaid=tuple(_unsaid(options, params, run.data)),
    )


def _targets(adapter: Path) -> tuple[str, ...]:
    """Last parts of the names of the layers that the saved adapter is on."""
    config: dict[str, Any] = json.loads((adapter / _CONFIG).read_text(encoding="utf-8"))
    parameters = config.get("target_parameters") or ()
    names = [*(config.get("target_modules") or ()), *(name.removesuffix(".weight") for name in parameters)]
    return tuple(sorted({name.rpartition(".")[2] for name in names}))


def _data(task: TaskConfig, facts: Any) -> DataRecipe:
    files, hub, _ = _located(task)
    recorded = facts.get("format")
    form = str(recorded) if recorded and task.format == AUTO else task.format
    plain = bool(files) and files[0].kind == "text"
    made_of = None if task.prompt is None or task.completion is None else (task.prompt, task.completion)
    return DataRecipe(
        files=files,
        hub=hub,
        form=form,
        text="text" if plain else task.text_field,
        prompt=task.prompt_field,
        completion="chosen" if form == "preference" else task.completion_field,
        template=None if made_of is None else (unescaped(made_of[0]), unescaped(made_of[1])),
        last=task.loss == "last",
        max_length=task.max_length or facts.get("max_length"),
    )


def _located(task: TaskConfig) -> tuple[tuple[DataFile, ...], HubDataset | None, str | None]:
    """The files or the data set of the hub, and why files are as configured, where they are not there."""
    try:
        place = locate(task.train, "task.train", task.split, task.subset)
    except UserError as error:
        names = (task.train,) if isinstance(task.train, str) else task.train
        files = (
            DataFile(str(user_path(name)), kind_of(name), name.lower().endswith(".gz")) for name in names
        )
        return tuple(files), None, error.message
    if isinstance(place, HubDataset):
        return (), place, None
    return tuple(DataFile(str(file.path), file.format, file.packed) for file in place.files), None, None


def _unsaid(options: LoraOptions, params: LoraParameters, facts: Any) -> Iterator[str]:
    task, form = options.task, facts.get("format")
    yield from _of_sources(task)
    if task.format == AUTO and form is None:
        yield "The form of the records was not recorded: prompt and completion are a guess."
    if "facts" in (form, task.format):
        yield "Records of beliefs hold several examples each: write them as prompts with completions first."
    if rejected := facts.get("rejected"):
        yield f"Left out were {rejected} records that say that their replies are bad ones (label: false)."
    if copied := facts.get("copied"):
        yield f"Left out of training were {copied} examples that task.heldout has too."
    if params.subtracts_start:
        yield (
            f"{params.init_lora_weights} subtracts what the adapter begins as from the base's weights: save "
            "it with PEFT's path_initial_model_for_weight_conversion, to load it on the base as it was."
        )
    if params.examples is not None:
        yield f"Only the first {params.examples} examples were used, of each target where there are several."
    if task.heldout is None:
        yield f"{task.heldout_fraction:g} of the data were held out, up to {task.heldout_examples} examples."
    yield "Longer text was cut into pieces that do not overlap; longer replies were truncated."
    yield "The order of the data differs, and with it the losses of single steps."


def _of_sources(task: TaskConfig) -> Iterator[str]:
    """What must be known of files that are not as they were, or that a program has made."""
    *_, missing = _located(task)
    if missing is not None:
        yield f"The data were not there when this was written: {missing}"
    made = [
        name for name in ((task.train,) if isinstance(task.train, str) else task.train) if makes_records(name)
    ]
    if made and missing is None:
        yield f"The records that {', '.join(made)} yields are a file in a cache: copy it."
