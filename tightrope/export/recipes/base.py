"""What the configurations of other trainers have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from trainables.recipe import DataRecipe, Recipe
from trainables.registry import Registry


@dataclass(frozen=True)
class Trainer:
    """A program that trains adapters.

    Attributes:
        title: What it is called.
        suffix: Of its files.
        command: What runs one, with {file} for its name.
        write: A recipe as its file, without the head.
        unsaid: What its files cannot say of a recipe, a sentence each.
    """

    title: str
    suffix: str
    command: str
    write: Callable[[Recipe], str]
    unsaid: Callable[[Recipe], Iterable[str]]


RECIPES: Registry[Trainer] = Registry("trainer")


def head(trainer: Trainer, what: str, recipe: Recipe, file: str) -> str:
    """Comments before the configuration: what it is, what runs it, and what it cannot say.

    Args:
        trainer: Whose it is.
        what: The trial, in words.
        recipe: Its recipe.
        file: Name of the file.
    """
    lines = [f"{what}, for {trainer.title}.", f"Run: {trainer.command.format(file=file)}"]
    lines += [
        f"For one device: devices x examples per device x accumulation must be {recipe.batch_size}.",
        "",
        f"What this file cannot say, or {trainer.title} does differently:",
    ]
    lines += [f"- {sentence}" for sentence in (*recipe.unsaid, *_warmup(recipe), *trainer.unsaid(recipe))]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _warmup(recipe: Recipe) -> list[str]:
    if not recipe.warmup_steps:
        return []
    return ["The warm-up begins at a rate of 0, one step later than here."]


def schedule(recipe: Recipe) -> dict[str, Any]:
    """The learning rate's schedule by the names of transformers."""
    name, more = recipe.schedule, {}
    if name == "wsd" and recipe.decay_steps:
        more = {"num_decay_steps": recipe.decay_steps, "warmup_type": "linear", "decay_type": "linear"}
    named = {
        "wsd": "warmup_stable_decay" if more else "constant_with_warmup",
        "constant": "constant_with_warmup",
    }
    return {"lr_scheduler_type": named.get(name, name)} | ({"lr_scheduler_kwargs": more} if more else {})


def training(recipe: Recipe) -> dict[str, Any]:
    """What transformers' `TrainingArguments` are, but for where to write."""
    return {
        "per_device_train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": 1,
        "max_steps": recipe.steps,
        "learning_rate": recipe.lr,
        **schedule(recipe),
        "warmup_steps": recipe.warmup_steps,
        "optim": "adamw_torch",
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip,
        "seed": recipe.seed % 2**32,
    }


def loraplus(recipe: Recipe) -> dict[str, Any]:
    """The learning rate of B, as Axolotl and LLaMA-Factory both call it; empty where it is that of A."""
    ratio = recipe.loraplus_lr_ratio
    return {} if ratio == 1 else {"loraplus_lr_ratio": ratio}


def whole(value: float) -> int | float:
    """A number without a fraction as an integer, which some trainers insist on."""
    return int(value) if math.isfinite(value) and value == int(value) else value


_SPELLINGS = {
    "messages": (
        "Only `role` and `content` of `messages` are read: no `system` text beside them, nor weights of 0."
    ),
    "conversations": "Only `conversations` with `from` and `value` are read: rename `conversation`.",
    "alpaca": (
        "Only `instruction`, `input` and `output` are read: rename `context` and `response`, and write "
        "records with `system` or `history` as messages."
    ),
    "preference": (
        "Only texts `prompt` and `chosen` are read: write records with messages, or with other fields, as "
        "prompts with completions first."
    ),
    "question": (
        "Only `question` and `answer`, a text, are read: of `answers` keep the first, and put a `context`, "
        "`passage` or `article` before the question."
    ),
    "completion": (
        "Only texts are read as prompts and completions, not lists of messages, nor `system` or `history`."
    ),
}


def spellings(data: DataRecipe) -> Iterator[str]:
    """What a search reads of a form, and a file that names fields does not."""
    if data.form in _SPELLINGS:
        yield _SPELLINGS[data.form]


def made_by(template: tuple[str, str]) -> str:
    """What a file that names fields cannot say of prompts and replies that are made of several."""
    prompt, reply = template
    return (
        f"The prompt was made by the template {prompt!r}, the reply by {reply!r}: write both as fields first."
    )


def to_yaml(sections: Sequence[Mapping[str, Any]]) -> str:
    """Sections of a YAML file, with blank lines between them."""
    return "\n".join(
        yaml.dump(dict(section), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
        for section in sections
        if section
    )


class _Dumper(yaml.SafeDumper):
    """Writes numbers so that YAML 1.1 reads them as numbers: 1.0e-04 and not 1e-04."""


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _number)
