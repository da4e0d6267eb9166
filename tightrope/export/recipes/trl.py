"""A recipe as a Python script for TRL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from tightrope.export.recipes.base import RECIPES, Trainer, training
from trainables.recipe import DataRecipe, Recipe

_SCRIPT = """\
{imports}from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer{more}
from trl import SFTConfig, SFTTrainer

BASE = {base!r}


def to_example(row):
{example}


data = load_dataset({data})
data = data.map(to_example, remove_columns=data.column_names)
model = AutoModelForCausalLM.from_pretrained({model})
trainer = SFTTrainer(
    model=model,
    processing_class=AutoTokenizer.from_pretrained({tokenizer}),
    train_dataset=data,
    peft_config=LoraConfig(
{lora}
    ),
    args=SFTConfig(
{arguments}
    ),
)
{optimizer}trainer.train()
trainer.save_model()
"""
_IMPORTS = "import torch\nfrom peft.optimizers import create_loraplus_optimizer\n"
_LOADERS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".txt": "text",
}


def write(recipe: Recipe) -> str:
    """The script."""
    revision = f", revision={recipe.revision!r}" if recipe.revision else ""
    code = ", trust_remote_code=True" if recipe.trust_remote_code else ""
    quantised = ""
    if recipe.nf4:
        quantised = (
            ", quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4', "
            f"bnb_4bit_use_double_quant={recipe.double_quant})"
        )
    return _SCRIPT.format(
        more=", BitsAndBytesConfig" if recipe.nf4 else "",
        base=recipe.base,
        example=_example(recipe.data),
        data=_source(recipe.data),
        model=f"BASE{revision}{code}{quantised}",
        tokenizer=f"BASE{revision}{code}",
        lora=_keywords(lora_arguments(recipe)),
        arguments=_keywords(training_arguments(recipe) | _sft(recipe.data)),
        imports=_IMPORTS if recipe.loraplus_lr_ratio != 1 else "",
        optimizer=_optimizer(recipe),
    )


def _optimizer(recipe: Recipe) -> str:
    """Lines that make the optimizer where B has a learning rate of its own; the Trainer makes all others."""
    if recipe.loraplus_lr_ratio == 1:
        return ""
    return (
        "trainer.optimizer = create_loraplus_optimizer(\n"
        "    trainer.model,\n"
        "    torch.optim.AdamW,\n"
        f"    lr={recipe.lr!r},\n"
        f"    loraplus_lr_ratio={recipe.loraplus_lr_ratio!r},\n"
        f"    loraplus_weight_decay={recipe.weight_decay!r},\n"
        ")\n"
    )


def lora_arguments(recipe: Recipe) -> dict[str, Any]:
    """Arguments of PEFT's `LoraConfig`."""
    return {
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "target_modules": list(recipe.targets),
        "use_rslora": recipe.rslora,
        "init_lora_weights": recipe.start,
        "use_dora": recipe.dora,
        "task_type": "CAUSAL_LM",
    } | ({"layers_to_transform": list(range(recipe.layers))} if recipe.layers else {})


def training_arguments(recipe: Recipe) -> dict[str, Any]:
    """Arguments of transformers' `TrainingArguments`, which `SFTConfig` extends."""
    return {"output_dir": "adapter"} | training(recipe)


def _sft(data: DataRecipe) -> dict[str, Any]:
    arguments: dict[str, Any] = {"max_length": data.max_length, "packing": False}
    if data.form in ("messages", "conversations"):
        arguments["assistant_only_loss"] = True
    elif data.form != "text":
        arguments["completion_only_loss"] = True
    return arguments


def _keywords(arguments: dict[str, Any]) -> str:
    return "\n".join(f"        {name}={value!r}," for name, value in arguments.items())


def _source(data: DataRecipe) -> str:
    first = data.sources[0]
    loader = _LOADERS.get(PurePath(first).suffix)
    if loader is None:
        subset = f", {data.subset!r}" if data.subset else ""
        return f"{first!r}{subset}, split={data.split!r}"
    return f"{loader!r}, data_files={list(data.sources)!r}, split='train'"


def _example(data: DataRecipe) -> str:
    """The body of the function that turns a record into what TRL reads."""
    match data.form:
        case "text":
            return f"    return {{'text': row[{data.text!r}]}}"
        case "messages":
            return "    return {'messages': row['messages']}"
        case "conversations":
            return (
                "    roles = {'human': 'user', 'gpt': 'assistant'}\n"
                "    turns = row['conversations']\n"
                "    return {'messages': [{'role': roles.get(turn['from'], turn['from']), "
                "'content': turn['value']} for turn in turns]}"
            )
        case "alpaca":
            prompt = "'\\n\\n'.join(filter(None, (row['instruction'], row.get('input'))))"
            reply = "row['output']"
        case "question":
            prompt = "'\\n\\n'.join(filter(None, (row.get('context'), row['question'])))"
            reply = "row['answer']"
        case _:
            prompt, reply = f"row[{data.prompt!r}]", f"row[{data.completion!r}]"
            if data.template is not None:
                prompt, reply = (f"{text!r}.format_map(row)" for text in data.template)
    return (
        f"    prompt, reply = {prompt}, {reply}\n"
        "    return {\n"
        "        'prompt': [{'role': 'user', 'content': prompt}],\n"
        "        'completion': [{'role': 'assistant', 'content': reply}],\n"
        "    }"
    )


def unsaid(recipe: Recipe) -> Iterator[str]:
    """What the script does not say."""
    form = recipe.data.form
    if form in ("messages", "conversations"):
        yield "assistant_only_loss needs a chat template that marks the assistant's turns ({% generation %})."
    if form == "facts":
        yield "Records of beliefs hold several examples each: write them as prompts with completions first."
    if recipe.data.last:
        yield "Only the last turn of each conversation was learned."
    yield "bf16 and gradient_checkpointing are on by default."


RECIPES.register("trl", "a Python script that runs SFTTrainer of TRL")(
    Trainer("TRL", ".py", "python {file}", write, unsaid)
)
