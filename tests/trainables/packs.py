"""A base model on this process alone, for tests of packs."""

from __future__ import annotations

import torch
from torch import nn

from tests.trainables.small import random_examples, tiny_llama
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.serving.base import HeldBase

TOTAL = 12
EXAMPLES = random_examples()


class Bench:
    """A base model with nothing on it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.base = HeldBase(tiny_llama().to(dtype))
        assert not self.base.find_head(always=True)
        self.adapters = Adapters(self.base.model, "tiny")

    def parameters(self, name: str) -> dict[str, nn.Parameter]:
        """An adapter's tensors by PEFT's names for them, in a fixed order."""
        part, arena = f".{name}.", self.adapters.arena
        named = self.base.model.named_parameters()
        held = arena.magnitudes(self.adapters.names.index(name), arena.weights)
        return {key: value for key, value in named if part in key and "lora_" in key} | {
            f"{site}.lora_magnitude_vector{part}weight": nn.Parameter(each) for site, each in held.items()
        }

    def pack(self, limits: PassLimits | None = None) -> Pack:
        """An empty pack; whatever an earlier one still holds is dropped."""
        for name in list(self.adapters.names):
            self.adapters.remove(name)
        return Pack(self.base, self.adapters, EXAMPLES, TOTAL, limits)
