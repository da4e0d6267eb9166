"""A recipe as Axolotl's YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tightrope.export.recipes.base import (
    RECIPES,
    Trainer,
    loraplus,
    made_by,
    schedule,
    spellings,
    to_yaml,
    whole,
)
from trainables.recipe import DataRecipe, Recipe


def write(recipe: Recipe) -> str:
    """The configuration by the keys of Axolotl's schema."""
    planned = schedule(recipe)
    return to_yaml(
        [
            {
                "base_model": recipe.base,
                **({"revision_of_model": recipe.revision} if recipe.revision else {}),
                **({"trust_remote_code": True} if recipe.trust_remote_code else {}),
                "load_in_4bit": recipe.nf4,
            },
            {
                "adapter": "qlora" if recipe.nf4 else "lora",
                "lora_r": recipe.rank,
                "lora_alpha": whole(recipe.alpha),
                "lora_dropout": recipe.dropout,
                "lora_target_modules": list(recipe.targets),
                **({"peft_use_rslora": True} if recipe.rslora else {}),
                **({"peft_use_dora": True} if recipe.dora else {}),
                **({} if recipe.start is True else {"peft_init_lora_weights": recipe.start}),
                **({"peft_layers_to_transform": list(range(recipe.layers))} if recipe.layers else {}),
            },
            {
                "datasets": [place | _form(recipe.data) for place in _places(recipe.data)],
                "val_set_size": 0.0,
                **({"sequence_len": recipe.data.max_length} if recipe.data.max_length else {}),
                "sample_packing": False,
                "train_on_inputs": False,
            },
            {
                "micro_batch_size": recipe.batch_size,
                "gradient_accumulation_steps": 1,
                "max_steps": recipe.steps,
                "learning_rate": recipe.lr,
                "lr_scheduler": planned["lr_scheduler_type"],
                **({"lr_scheduler_kwargs": kwargs} if (kwargs := planned.get("lr_scheduler_kwargs")) else {}),
                "warmup_steps": recipe.warmup_steps,
                "optimizer": "adamw_torch",
                **loraplus(recipe),
                "weight_decay": recipe.weight_decay,
                "max_grad_norm": recipe.clip,
                "seed": recipe.seed % 2**32,
                "bf16": "auto",
                "output_dir": "./outputs",
            },
        ]
    )


def _places(data: DataRecipe) -> list[dict[str, Any]]:
    """Where the data are: an entry for each file, or that of the data set of the hub."""
    if data.hub is not None:
        config = {"name": data.hub.config} if data.hub.config else {}
        return [{"path": data.hub.name, "split": data.hub.split} | config]
    kinds = {file.path: "csv" if file.kind == "tsv" else file.kind for file in data.files}
    return [{"path": path} | ({"ds_type": kind} if kind else {}) for path, kind in kinds.items()]


def _form(data: DataRecipe) -> dict[str, Any]:
    chat = {"type": "chat_template", "chat_template": "tokenizer_default", "roles_to_train": ["assistant"]}
    match data.form:
        case "messages":
            return chat | {"field_messages": "messages"}
        case "conversations":
            return chat | {
                "field_messages": "conversations",
                "message_property_mappings": {"role": "from", "content": "value"},
            }
        case "alpaca":
            return {"type": "alpaca"}
        case "text":
            return {"type": "completion", "field": data.text}
        case "question":
            fields = {"field_instruction": "question", "field_output": "answer"}
        case _:
            fields = {"field_instruction": data.prompt, "field_output": data.completion}
    return {
        "type": {
            "system_prompt": "",
            **fields,
            "format": "{instruction}\n",
            "no_input_format": "{instruction}\n",
        }
    }


def unsaid(recipe: Recipe) -> Iterator[str]:
    """What the file does not say."""
    data = recipe.data
    if any(file.kind == "tsv" for file in data.files):
        yield "Tabs between the columns: write the data with commas first."
    yield from spellings(data)
    if data.form in ("alpaca", "question", "completion", "preference", "template", "facts", "auto"):
        yield (
            f"Data of the form {data.form} were asked and answered through the model's chat template here. "
            "The type below writes prompts without it; to be exact, write the data as messages."
        )
    if data.template is not None:
        yield made_by(data.template)
    if data.last:
        yield "Only the last turn of each conversation was learned."
    if recipe.nf4 and not recipe.double_quant:
        yield "The scales of the 4-bit weights were not quantised."


RECIPES.register("axolotl", "YAML for `axolotl train`")(
    Trainer("Axolotl", ".yaml", "axolotl train {file}", write, unsaid)
)
