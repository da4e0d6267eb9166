"""Base models and examples to measure with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen2ForCausalLM

from trainables.data.examples import Example
from trainables.data.task import load_task
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.settings import ModelConfig, TaskConfig

EXAMPLES = 256
"""Random examples of a length; what is in them does not matter for the speed."""

TEXT = "data/licences.txt"
"""Plain text that smollm2 is trained on, unless another is given."""

_TRAINED = {
    "embedded": (
        ModelConfig(name="embedded", source="embedded"),
        TaskConfig(name="lighthouse", train="embedded:domain_train.jsonl", max_length=64),
    ),
    "smollm2": (
        ModelConfig(name="smollm2", source="HuggingFaceTB/SmolLM2-135M-Instruct", prepare="smollm2"),
        TaskConfig(name="legal", train=TEXT, max_length=64),
    ),
}
SHAPES: dict[str, LlamaConfig | Qwen2Config] = {
    # The shape of SmolLM2-135M.
    "135m": LlamaConfig(
        vocab_size=49_152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    ),
    # The shape of Qwen2.5-1.5B.
    "1.5b": Qwen2Config(
        vocab_size=151_936,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    ),
    # That of Llama 3 8B.
    "8b": LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        tie_word_embeddings=False,
    ),
}
"""Shapes of known models, to be initialised at random."""

_LENGTHS = ("256", "1024")
Data: TypeAlias = dict[str, Sequence[Example]]
"""Training examples by the name of their length."""

BIASED = "embedded-biased"
"""The embedded model as a Qwen2, which has biases for queries, keys and values; they are zero."""

MODELS = (*_TRAINED, BIASED, *SHAPES)


def load(
    name: str, device: torch.device, text: Path, lengths: Sequence[str] | None = None
) -> tuple[nn.Module, Data]:
    """A frozen base model on its device, and what it is trained on.

    Args:
        name: One of `MODELS`.
        device: Where the model goes.
        text: Plain text that smollm2 is trained on.
        lengths: Of random examples: "256", or "64-256" for lengths drawn uniformly from that range. None
            takes the real data of a real model, and 256 and 1024 tokens for a randomly initialised one.

    Returns:
        The model, and examples by the lengths' name ("<=64" where the data are real).

    Raises:
        UserError: smollm2 or the text is not there.
    """
    if name in SHAPES:
        return random_base(SHAPES[name], device), {
            each: random_examples(each, SHAPES[name].vocab_size) for each in lengths or _LENGTHS
        }
    model_config, task = _TRAINED["embedded" if name == BIASED else name]
    if task.train == TEXT:
        task = task.model_copy(update={"train": str(text)})
    model, tokenizer = load_base(resolve(model_config), model_config, device)
    if name == BIASED:
        model = _with_biases(model).to(device)
    if lengths:
        return model, {each: random_examples(each, len(tokenizer)) for each in lengths}
    return model, {f"<={task.max_length}": load_task(task, tokenizer, seed=0).train.examples}


def _with_biases(llama: Any) -> Any:
    sizes = {key: value for key, value in llama.config.to_dict().items() if key != "model_type"}
    model = Qwen2ForCausalLM(Qwen2Config(**sizes))
    lacking = model.load_state_dict(llama.state_dict(), strict=False).missing_keys
    for name in lacking:
        model.get_parameter(name).data.zero_()
    return model.requires_grad_(False).eval()


def miniature(config: LlamaConfig | Qwen2Config) -> LlamaConfig | Qwen2Config:
    """A model of the same family with two small layers, to rehearse with."""
    return type(config)(
        vocab_size=509,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=config.tie_word_embeddings,
    )


def random_base(
    config: LlamaConfig | Qwen2Config, device: torch.device, dtype: torch.dtype = torch.bfloat16
) -> nn.Module:
    """A model of this shape, made on its device."""
    torch.manual_seed(0)
    with device:
        model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    frozen: nn.Module = model.requires_grad_(False).eval()
    return frozen


def random_examples(lengths: str, vocabulary: int) -> list[Example]:
    """Examples whose tokens are all targets but the first; see `load` for `lengths`.

    Raises:
        ValueError: `lengths` is neither a number nor a range.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", lengths)
    if match is None:
        raise ValueError(f"--lengths: {lengths!r} is neither a number nor a range such as 64-256")
    low, high = int(match[1]), int(match[2] or match[1])
    draw = np.random.default_rng(0)
    return [
        Example(draw.integers(0, vocabulary, size=int(n)).astype(np.int32), np.arange(n) > 0)
        for n in draw.integers(low, high + 1, size=EXAMPLES)
    ]


def masked(examples: Sequence[Example], share: float) -> list[Example]:
    """The same with this share of each example's tokens no targets, from its start: a prompt."""

    def reply(length: int) -> NDArray[np.bool_]:
        return np.arange(length) >= share * length

    return [
        replace(example, loss_mask=example.loss_mask & reply(len(example.input_ids))) for example in examples
    ]
