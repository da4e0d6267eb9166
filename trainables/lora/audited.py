"""What an audit knows of a search of adapters. Light: no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from trainables.audited import TRAINING, Audited, ComputedFact, Facts, ReadFacts, TrialFact
from trainables.lora.parameters import LoraParameters
from trainables.messages import Scalar
from trainables.models.hub import describe
from trainables.models.preparers import PREPARED_CONFIGS
from trainables.settings import ModelConfig

_TEXT_PARTS = ("text_config", "llm_config", "language_config")

WORKERS: Mapping[str, Scalar] = {
    "shuffle": True,
    "data_offset_examples": 0,
    "eos_appended": True,
    "double_bos": False,
    "pad_masked": False,
    "pad_is_eos": False,
    "packing_separated": True,
    "embeddings_trained": False,
    "trained_dtype": "float32",
}
"""What every worker does, whatever is configured (`trainables.data`, `trainables.serving`).

Padding is left out of the loss by its place, so that it is never taken for the end of a sequence.
"""

ADAPTER: Mapping[str, TrialFact] = {
    "rank": TrialFact("rank"),
    "alpha": TrialFact(
        "alpha if alpha != None else (alpha_per_rank if alpha_per_rank != None else 2) * rank", "alpha"
    ),
    "target_modules": TrialFact("target_modules"),
}


def model_config(model: ModelConfig) -> Mapping[str, Any]:
    """The part of a model's config.json that is about text; empty where nobody here or on the hub has it."""
    folder = describe(model).folder
    if folder is None:
        return PREPARED_CONFIGS.get(model.prepare or "", {})
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
    quantised = model.quantization is not None
    facts |= {"dtype": model.dtype, "quantization": model.quantization}
    return facts | {"method": "qlora" if quantised else "lora"}


def task_facts(options: Any, seed: int) -> Facts:
    """What the section `task` says, and what every worker does."""
    task = options.task
    same = task.heldout is not None and task.heldout == task.train
    facts: dict[str, Scalar] = {**WORKERS, "heldout_is_train": same}
    facts["heldout_examples"] = task.heldout_examples
    if task.max_length is not None:
        facts["max_length"] = task.max_length
    if task.format != "auto":
        facts["loss_on"] = "all" if task.format == "text" else "completion"
    return facts


def trained_by(options: Any) -> Callable[..., Scalar] | None:
    """Number of trained parameters by rank, target, layers and whether there are magnitudes."""
    from trainables.lora.plan.shapes import light_shapes

    shapes = light_shapes(options.model)
    if shapes is None:
        return None

    def count(rank: int, target_modules: str, layers: int | None, use_dora: bool = False) -> Scalar:
        given = {"rank": rank, "target_modules": target_modules, "layers": layers, "use_dora": use_dora}
        return shapes.trainable_parameters(LoraParameters.model_validate(given))

    return count


def _later(name: str) -> Callable[[Any, int], Facts]:
    """Reads a group whose module is imported only then."""

    def read(options: Any, seed: int) -> Facts:
        from trainables.lora.plan import audited

        facts: Facts = getattr(audited, name)(options, seed)
        return facts

    return read


DATA = ReadFacts(
    {
        "max_length": "task.max_length",
        "heldout_examples": "task.heldout_examples",
        "loss_on": "task.format",
    }
    | dict.fromkeys(
        ("context_length", "mean_tokens", "pieces", "has_prompts", "completion_cut_share",
         "prompt_lost_share", "tokens_quantile_90", "tokens_quantile_99", "text_cut_share", "all_examples",
         "targets", "corpus_tokens")
    ),
    _later("data_facts"),
)  # fmt: skip
ASKED = ReadFacts(
    {"kl_prompts": "capability.kl_prompts", "decoding": "capability.facts.decoding.method"}
    | dict.fromkeys(("eval_questions", "retention_questions", "retention_on_training", "thinking_model")),
    _later("asked_facts"),
)
REPLIES = ReadFacts(
    {"reply_tokens": "capability.max_new_tokens", "answer_tokens": None}, _later("reply_facts")
)
SIZES = ReadFacts(dict.fromkeys(("base_parameters", "smallest_layer", "vocabulary_size")), _later("sizes"))
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
        **dict.fromkeys(WORKERS),
        "heldout_is_train": "task.heldout",
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
        "loraplus_lr_ratio": TrialFact("loraplus_lr_ratio"),
        "epochs": TrialFact("epochs"),
        "corpus_examples": TrialFact(
            "all_examples if examples == None else min(all_examples, examples * targets)", "examples"
        ),
    },
    computed={
        "trainable_parameters": ComputedFact(("rank", "target_modules", "layers", "use_dora"), trained_by),
    },
    read=(DATA, MODEL, TASK, ASKED, REPLIES, SIZES),
)
