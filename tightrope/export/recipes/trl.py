"""A recipe as a Python script for TRL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tightrope.export.recipes.base import RECIPES, Trainer, training
from tightrope.export.recipes.trl_data import example, imports, rows
from trainables.recipe import DataRecipe, Recipe

_SCRIPT = """\
{imports}from datasets import Dataset{loader}
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer{more}
from trl import SFTConfig, SFTTrainer

BASE = {base!r}


{rows}

{example}

examples = map(to_example, rows())
data = Dataset.from_list([example for example in examples if example is not None])
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
_LORAPLUS = ("import torch", "from peft.optimizers import create_loraplus_optimizer")


def write(recipe: Recipe) -> str:
    """The script."""
    revision = f", revision={recipe.revision!r}" if recipe.revision else ""
    remote = ", trust_remote_code=True" if recipe.trust_remote_code else ""
    quantised = ""
    if recipe.nf4:
        quantised = (
            ", quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4', "
            f"bnb_4bit_use_double_quant={recipe.double_quant})"
        )
    code = rows(recipe.data) + example(recipe.data)
    imported = [*imports(code), *(_LORAPLUS if recipe.loraplus_lr_ratio != 1 else ())]
    return _SCRIPT.format(
        imports="".join(f"{line}\n" for line in imported),
        loader="" if recipe.data.hub is None else ", load_dataset",
        more=", BitsAndBytesConfig" if recipe.nf4 else "",
        base=recipe.base,
        rows=rows(recipe.data),
        example=example(recipe.data),
        model=f"BASE{revision}{remote}{quantised}",
        tokenizer=f"BASE{revision}{remote}",
        lora=_keywords(lora_arguments(recipe)),
        arguments=_keywords(training_arguments(recipe) | _sft(recipe.data)),
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
    if data.form in ("messages", "conversations") and not data.last:
        arguments["assistant_only_loss"] = True
    elif data.form != "text":
        arguments["completion_only_loss"] = True
    return arguments


def _keywords(arguments: dict[str, Any]) -> str:
    return "\n".join(f"        {name}={value!r}," for name, value in arguments.items())


def unsaid(recipe: Recipe) -> Iterator[str]:
    """What the script does not say."""
    data = recipe.data
    turns = data.form in ("messages", "conversations")
    if turns and not data.last:
        yield "assistant_only_loss needs a chat template that marks the assistant's turns ({% generation %})."
        yield "Turns of weight 0, and one that opens a conversation, are learned as well."
    if not turns and data.form != "text" and not data.last:
        yield "Replies in a `history` are context."
        yield "A `system` text is a message of its own, also where the chat template has none."
    if turns or data.form in ("completion", "preference"):
        yield "Tools and their calls are not converted; the script stops at the first call."
    if data.form == "completion":
        yield "A completion of several messages is learned as a whole."
    yield "bf16 and gradient_checkpointing are on by default."


RECIPES.register("trl", "a Python script that runs SFTTrainer of TRL")(
    Trainer("TRL", ".py", "python {file}", write, unsaid)
)
