"""Counts the training examples of a task."""

from __future__ import annotations

from trainables.data.task import load_task
from trainables.models.load import fetch, load_tokenizer
from trainables.models.resolve import resolve
from trainables.settings import ModelConfig, TaskConfig


def count_examples(model: ModelConfig, task: TaskConfig, seed: int) -> int:
    """Training examples, as every worker reads, cuts and splits them.

    Args:
        model: The base model; only its tokenizer is loaded.
        task: Settings; relative paths are relative to the working directory.
        seed: The search's seed.

    Raises:
        UserError: The tokenizer cannot be loaded, or the data not be read.
    """
    tokenizer, context = load_tokenizer(fetch(resolve(model), model), model)
    return len(load_task(task, tokenizer, seed, context=context).train.examples)
