"""Models and trials to compare packed and plain training on."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, Qwen2Config

from benchmarks.gpu.alone import train_alone
from benchmarks.gpu.errors import Numbers
from benchmarks.gpu.part import Stage
from benchmarks.packing.bases import SHAPES, random_base
from trainables.data.examples import Example
from trainables.lora.parameters import LoraParameters

TRIALS = tuple(
    LoraParameters(lr=lr, rank=rank, alpha=alpha, batch_size=size, dropout=dropout, seed=rank, clip=clip)
    for lr, rank, alpha, size, dropout, clip in (
        (1e-3, 4, 8, 1, 0.0, 1.0),
        (3e-3, 8, 8, 4, 0.1, 0.3),
        (5e-4, 33, 64, 2, 0.0, 0.0),
        (2e-3, 16, 16, 4, 0.0, 1.0),
        (1e-3, 64, 32, 3, 0.2, 1.0),
    )
)
"""Unequal in everything."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A base model and what is trained on it.

    Attributes:
        name: Of the model.
        model: Frozen, in bfloat16: the weights are then the same in every precision.
        trials: Unequal.
        examples: What they are trained on.
        steps: Optimizer steps of each trial.
        checkpointing: Whether packs compute blocks again for gradients.
    """

    name: str
    model: nn.Module
    trials: tuple[LoraParameters, ...]
    examples: Sequence[Example]
    steps: int = 20
    checkpointing: bool = False

    def base(self, dtype: torch.dtype) -> nn.Module:
        """A model of its own to train adapters on."""
        return copy.deepcopy(self.model).to(dtype)

    def alone(self, dtype: torch.dtype) -> list[Numbers]:
        """Each trial with plain PEFT; in bfloat16 by autocast, and in float64 as exact as can be."""
        numbers = []
        for params in self.trials:
            base = self.base(dtype)
            if dtype == torch.float64:
                _precise_norms(base)
            half = dtype == torch.bfloat16
            given = train_alone(
                base, params, self.steps, self.steps, self.examples, autocast=half, rounded=True
            )
            numbers.append(Numbers(*given))
        return numbers


def _precise_norms(model: nn.Module) -> None:
    """Has norms compute in float64, which transformers lets compute in fp32 whatever the model's type is."""
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(_norm, module)


def _norm(module: Any, x: Tensor) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich, 2019, arXiv:1910.07467)."""
    normed: Tensor = (
        module.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + module.variance_epsilon)
    )
    return normed


def subjects(stage: Stage) -> list[Subject]:
    """A model without biases, one with, and the shape of SmolLM2-135M."""
    return _subjects(stage.device, stage.rehearse)


@cache
def _subjects(device: torch.device, rehearse: bool) -> list[Subject]:
    small = {
        "vocab_size": 211 if rehearse else 8192,
        "hidden_size": 64 if rehearse else 256,
        "intermediate_size": 96 if rehearse else 688,
        "num_hidden_layers": 2 if rehearse else 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    lengths = (4, 12) if rehearse else (24, 96)
    made = [_subject("Llama, small", LlamaConfig(**small), lengths, device)]
    made.append(_subject("Qwen2, small", Qwen2Config(**small), lengths, device))
    if rehearse:
        return [replace(each, trials=TRIALS[1:4], steps=6) for each in made]
    made.append(replace(_subject("Llama, 135M", SHAPES["135m"], lengths, device), trials=TRIALS[:3]))
    return made


def _subject(
    name: str, config: LlamaConfig | Qwen2Config, lengths: tuple[int, int], device: torch.device
) -> Subject:
    model = random_base(config, device)
    for key, value in model.named_parameters():
        if key.endswith("bias"):
            value.data.normal_(0, 0.1)
    draw = np.random.default_rng(0)
    examples = [
        Example(draw.integers(0, config.vocab_size, size=int(n)).astype(np.int32), np.arange(n) > 1)
        for n in draw.integers(*lengths, size=16)
    ]
    return Subject(name, model, TRIALS, examples)
