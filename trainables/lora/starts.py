"""The first weights of an adapter, as PEFT makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import Tensor, nn

from trainables.lora.parameters import LoraParameters
from trainables.models.linear import dense_weight

_NAME = "start"


def first_weights(weight: Tensor, params: LoraParameters) -> tuple[Tensor, Tensor]:
    """A (rank, in) and B (out, rank) of a layer, drawn from torch's generator where they are random.

    Args:
        weight: W of the layer, shape (out, in), of any type. It stays as it is.
        params: The trial's.
    """
    outer, inner = weight.shape
    layer = nn.Linear(inner, outer, bias=False, device="meta")
    # Of some starts PEFT subtracts the product from W, in place.
    layer.weight = nn.Parameter(weight.to(torch.float32, copy=True), requires_grad=False)
    config = LoraConfig(
        r=params.rank,
        lora_alpha=params.effective_alpha,
        use_rslora=params.rslora,
        init_lora_weights=params.peft_start,
    )
    made = Linear(layer, _NAME, config=config, r=params.rank, lora_alpha=params.effective_alpha)
    return made.lora_A[_NAME].weight.data, made.lora_B[_NAME].weight.data


@contextmanager
def whole_weight(layer: Any) -> Iterator[Tensor]:
    """W of a linear layer, shape (out, in), on every worker; under ZeRO stage 3 a collective call."""
    if not hasattr(layer.weight, "ds_id"):
        yield dense_weight(layer)
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([layer.weight]):
        yield dense_weight(layer)
