"""Arithmetic that the training needs, and the device's peak to compare it with."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import nn

from benchmarks.packing.meter import synchronise
from benchmarks.packing.work import Work
from trainables.lora.targets import select_modules
from trainables.models.linear import linear_layers


def needed(work: Work) -> float:
    """Floating-point operations of matrix products, padding and recomputation left out.

    A multiplication and an addition for each weight and token in the forward pass, as many for the
    gradients of the inputs, and for adapters as many again for their own gradients. Causal attention: two
    products of length x length / 2 x width in the forward pass, and four in the backward pass.
    """
    config: Any = work.model.config
    layers = {name: module for name, module in work.model.named_modules() if isinstance(module, nn.Linear)}
    weights = sum(module.weight.numel() for module in layers.values())
    width = config.num_attention_heads * getattr(config, "head_dim", config.hidden_size)
    per_pair: float = 3 * 2 * 2 * width * config.num_hidden_layers / 2
    total = 4.0 * weights * work.tokens + per_pair * sum(length**2 for length in work.lengths)
    share = work.tokens / len(work.trials)
    for params in work.trials:
        chosen = [layers[name] for name in select_modules(linear_layers(work.model), params)]
        sizes = sum(params.rank * (each.in_features + each.out_features) for each in chosen)
        total += 6.0 * sizes * share
    return total


def matrix_peak(device: torch.device, size: int = 8192) -> float:
    """FLOP/s of a large product in bfloat16 on random data: the median of 10 after 3."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(13):
        synchronise(device)
        began = time.perf_counter()
        torch.mm(left, right)
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return 2.0 * size**3 / statistics.median(seconds[3:])
