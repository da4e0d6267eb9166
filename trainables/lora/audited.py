"""What an audit knows of a search of adapters. Light: no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from trainables.audited import TRAINING, Audited, ComputedFact, Facts, ReadFacts, TrialFact
from trainables.lora.parameters import LoraOptions, LoraParameters
from trainables.messages import Scalar
from trainables.models.resolve import local_folder
from trainables.settings import ModelConfig

_TEXT_PARTS = ("text_config", "llm_config", "language_config")

ADAPTER: Mapping[str, TrialFact] = {
    "rank": TrialFact("rank"),
    "alpha": TrialFact(
        "alpha if alpha != None else (alpha_per_rank if alpha_per_rank != None else 2) * rank", "alpha"
    ),
    "target_modules": TrialFact("target_modules"),
}


def model_config(model: ModelConfig) -> Mapping[str, Any]:
    """The part of a local model's config.json that is about text; empty where it is not on this machine."""
    folder = local_folder(model)
    if folder is None:
        return {}
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(config, dict):
        return {}
    nested: Mapping[str, Any] = next(
        (config[name] for name in _TEXT_PARTS if isinstance(config.get(name), dict)), {}
    )
    return {**config, **nested}


def model_facts(options: Any, seed: int) -> Facts:
    """Sizes of the base model, as its files say them."""
    model: ModelConfig = options.model
    config = model_config(model)
    names = {
        "hidden_size": "hidden_size",
        "layers": "num_hidden_layers",
        "tied_embeddings": "tie_word_embeddings",
    }
    facts: dict[str, Scalar] = {name: config[key] for name, key in names.items() if key in config}
    if model.dtype != "auto":
        facts["dtype"] = model.dtype
    quantised = model.quantization is not None
    return facts | {"method": "qlora" if quantised else "lora", "quantization": model.quantization}


def task_facts(options: Any, seed: int) -> Facts:
    """What the section `task` says, and what every worker does."""
    task = options.task
    facts: dict[str, Scalar] = {
        "shuffle": True,
        "data_offset_examples": 0,
        "heldout_examples": task.heldout_examples,
    }
    if task.max_length is not None:
        facts["max_length"] = task.max_length
    if task.format != "auto":
        facts["loss_on"] = "all" if task.format == "text" else "completion"
    return facts


def _trained(options: LoraOptions) -> Callable[..., Scalar] | None:
    """Number of trained parameters by rank, target and layers."""
    from trainables.lora.plan.shapes import light_shapes

    shapes = light_shapes(options.model)
    if shapes is None:
        return None

    def count(rank: int, target_modules: str, layers: int | None) -> Scalar:
        given = {"rank": rank, "target_modules": target_modules, "layers": layers}
        return shapes.trainable_parameters(LoraParameters.model_validate(given))

    return count


MODEL = ReadFacts(
    {
        "hidden_size": None,
        "layers": None,
        "tied_embeddings": None,
        "dtype": "model.dtype",
        "method": None,
        "quantization": "model.quantization",
    },
    model_facts,
)
TASK = ReadFacts(
    {
        "shuffle": None,
        "data_offset_examples": None,
        "heldout_examples": "task.heldout_examples",
        "max_length": "task.max_length",
        "loss_on": "task.format",
    },
    task_facts,
)

AUDITED = Audited(
    trial={
        **TRAINING,
        **ADAPTER,
        "dropout": TrialFact("dropout"),
        "rslora": TrialFact("rslora"),
        "epochs": TrialFact("epochs"),
    },
    computed={
        "trainable_parameters": ComputedFact(("rank", "target_modules", "layers"), _trained),
    },
    read=(MODEL, TASK),
)
