"""A recipe as LLaMA-Factory's YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from tightrope.export.recipes.base import (
    RECIPES,
    Trainer,
    loraplus,
    made_by,
    spellings,
    to_yaml,
    training,
    whole,
)
from trainables.recipe import DataRecipe, Recipe

_ENDINGS = (".csv", ".json", ".jsonl", ".parquet", ".txt")
"""Of files that it reads."""


def write(recipe: Recipe) -> str:
    """The configuration by the names of LLaMA-Factory's arguments."""
    data = recipe.data
    return to_yaml(
        [
            {
                "model_name_or_path": recipe.base,
                **({"model_revision": recipe.revision} if recipe.revision else {}),
                **({"trust_remote_code": True} if recipe.trust_remote_code else {}),
                **(
                    {
                        "quantization_method": "bnb",
                        "quantization_bit": 4,
                        "quantization_type": "nf4",
                        "double_quantization": recipe.double_quant,
                    }
                    if recipe.nf4
                    else {}
                ),
            },
            {
                "stage": "pt" if data.form == "text" else "sft",
                "do_train": True,
                "finetuning_type": "lora",
                "lora_rank": recipe.rank,
                "lora_alpha": whole(recipe.alpha),
                "lora_dropout": recipe.dropout,
                "lora_target": ",".join(recipe.targets),
                **({"use_rslora": True} if recipe.rslora else {}),
                **({"use_dora": True} if recipe.dora else {}),
                **_pissa(recipe.start),
                **loraplus(recipe),
            },
            {
                "dataset": ",".join(_entries(data)),
                **({} if data.form == "text" else {"template": "default"}),
                **({"cutoff_len": data.max_length} if data.max_length else {}),
                **({"mask_history": True} if data.last else {}),
                "packing": False,
            },
            training(recipe) | {"output_dir": "saves/lora"},
        ]
    )


def _pissa(start: bool | str) -> dict[str, Any]:
    """The only start that can be given; -1 stands for a singular value decomposition."""
    name, _, iterations = str(start).partition("_niter_")
    return {"pissa_init": True, "pissa_iter": int(iterations or -1)} if name == "pissa" else {}


def _entries(data: DataRecipe) -> dict[str, dict[str, Any]]:
    """What `dataset_info.json` must have, by the names of the data sets."""
    if data.hub is not None:
        config = {"subset": data.hub.config} if data.hub.config else {}
        return {"data": {"hf_hub_url": data.hub.name, "split": data.hub.split} | config | _columns(data)}
    names = [f"data_{number}" if number else "data" for number in range(len(data.files))]
    return {
        name: {"file_name": file.path} | _columns(data) for name, file in zip(names, data.files, strict=True)
    }


def _columns(data: DataRecipe) -> dict[str, Any]:
    """The form of the data, and the fields that it is read from."""
    match data.form:
        case "messages":
            tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user"}
            tags |= {"assistant_tag": "assistant", "system_tag": "system"}
            return {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
        case "conversations":
            return {"formatting": "sharegpt", "columns": {"messages": "conversations"}}
        case "text":
            columns = {"prompt": data.text}
        case "alpaca":
            columns = {"prompt": "instruction", "query": "input", "response": "output"}
        case "question":
            columns = {"prompt": "question", "response": "answer"}
        case _:
            columns = {"prompt": data.prompt, "response": data.completion}
    return {"columns": columns}


def unsaid(recipe: Recipe) -> Iterator[str]:
    """What the file does not say."""
    data = recipe.data
    yield f"Add to data/dataset_info.json: {json.dumps(_entries(data), ensure_ascii=False)}"
    yield from spellings(data)
    if any(not PurePath(file.path).is_absolute() for file in data.files):
        yield "A `file_name` is looked for in `dataset_dir`: set it to the folder where the search was begun."
    unread = [file.path for file in data.files if PurePath(file.path).suffix.lower() not in _ENDINGS]
    if unread:
        yield f"It does not read {', '.join(unread)}: write the data as JSON lines first."
    if data.form != "text":
        yield "`template` must be the one of the base model, whose chat template was used here."
    if data.template is not None:
        yield made_by(data.template)
    if recipe.start is not True and not _pissa(recipe.start):
        yield f"The adapter began as PEFT's init_lora_weights={recipe.start!r}."
    if recipe.layers is not None:
        yield f"Only the first {recipe.layers} layers had adapters; here all have."


RECIPES.register("llamafactory", "YAML for `llamafactory-cli train`")(
    Trainer("LLaMA-Factory", ".yaml", "llamafactory-cli train {file}", write, unsaid)
)
