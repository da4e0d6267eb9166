"""A tiny random Llama and random examples, for tests of training mechanics."""

from __future__ import annotations

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainables.data.examples import Example

VOCABULARY = 97


def tiny_llama(seed: int = 0, vocabulary: int = VOCABULARY, layers: int = 3) -> LlamaForCausalLM:
    """A frozen model with weights from `seed`."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def random_examples(count: int = 24, seed: int = 0) -> list[Example]:
    """Examples of unequal lengths whose first tokens are no targets."""
    draw = np.random.default_rng(seed)
    return [
        Example(draw.integers(0, VOCABULARY, size=int(n)).astype(np.int32), np.arange(n) > 1)
        for n in draw.integers(5, 15, size=count)
    ]
