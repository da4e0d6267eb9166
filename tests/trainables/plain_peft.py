"""The tiny model trained with plain PEFT, one trial alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.gpu.alone import train_alone
from tests.trainables.small import tiny_llama
from trainables.data.examples import Example
from trainables.lora.parameters import LoraParameters


def plain_peft(
    params: LoraParameters, steps: int, total: int, examples: Sequence[Example], dtype: torch.dtype
) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of `steps` steps, and the adapter after them by PEFT's names without that of the adapter."""
    return train_alone(tiny_llama().to(dtype), params, steps, total, examples)
