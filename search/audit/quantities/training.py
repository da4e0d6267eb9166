"""How much is trained: batches, steps, examples and tokens, and the share of the corpus that is seen."""

from __future__ import annotations

import math

from search.audit.quantity import formula, quantity


@quantity(
    "batch_product", "sequences", "Micro-batch x accumulation x devices; one device where none are named."
)
def _batch_product(micro_batch: float, accumulation: float, devices: float | None = None) -> float:
    return micro_batch * accumulation * (devices or 1)


@quantity("effective_batch", "sequences", "Sequences of an optimizer step, over all devices and passes.")
def _effective_batch(batch: float | None = None, batch_product: float | None = None) -> float | None:
    return batch or batch_product


@quantity("total_steps", "steps", "Optimizer steps of the whole training; from epochs where none are given.")
def _total_steps(
    steps: float | None = None,
    epochs: float | None = None,
    corpus_examples: float | None = None,
    effective_batch: float | None = None,
) -> float | None:
    if steps:
        return steps
    if not (epochs and corpus_examples and effective_batch):
        return None
    return math.ceil(epochs * corpus_examples / effective_batch)


@quantity("tokens_per_example", "tokens", "As measured, or of the corpus, or max_length where packed.")
def _tokens_per_example(
    mean_tokens: float | None = None,
    corpus_tokens: float | None = None,
    corpus_examples: float | None = None,
    packing: bool | None = None,
    max_length: float | None = None,
) -> float | None:
    if packing and max_length:
        return max_length
    if mean_tokens:
        return mean_tokens
    return corpus_tokens / corpus_examples if corpus_tokens and corpus_examples else None


formula(
    "examples_consumed",
    "sequences",
    "Sequences that are read: steps x batch.",
    "total_steps * effective_batch",
)
formula("tokens_consumed", "tokens", "Tokens that are read.", "examples_consumed * tokens_per_example")
formula(
    "passes",
    "passes",
    "Passes over the corpus that the steps come to.",
    "examples_consumed / corpus_examples",
)
formula("corpus_share", "", "Share of the corpus that is read at least once.", "min(1, passes)")
formula("steps_per_pass", "steps", "Optimizer steps of a pass.", "corpus_examples / effective_batch")
formula("batch_share", "", "Share of the corpus that a step reads.", "effective_batch / corpus_examples")
formula(
    "tokens_seen",
    "tokens",
    "Tokens that are read, repetitions not counted.",
    "tokens_per_example * min(examples_consumed, corpus_examples)",
)
formula(
    "tokens_per_parameter",
    "tokens",
    "Tokens that are read, repetitions not counted, for each trained parameter.",
    "tokens_seen / trainable_parameters",
)
formula(
    "data_end",
    "sequences",
    "Place in the corpus after the last sequence that is read, in one pass.",
    "data_offset_examples + examples_consumed",
)
formula(
    "offset_share", "", "Share of the corpus before the offset.", "data_offset_examples / corpus_examples"
)
formula(
    "offset_batch",
    "sequences",
    "Batch at which a stage of as many steps would end where this one begins.",
    "data_offset_examples / total_steps",
)
formula("heldout_tokens", "tokens", "Held-out tokens.", "heldout_examples * tokens_per_example")
formula("memory_share", "", "Memory that is needed, of the device's.", "needed_memory / device_memory")
