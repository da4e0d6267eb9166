"""Brings small tensors to the device in one copy that nothing waits for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ALIGNED = 16
"""Bytes that each tensor begins at a multiple of."""


def to_device(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """The same tensors on the device.

    A copy from ordinary memory to a GPU waits for all that the GPU still has to do, and another begins after
    it. One from page-locked memory is queued behind it, and the processor goes on to queue what comes next.

    Args:
        tensors: On the CPU, of any types and shapes.
        device: Where they are needed.
    """
    if device.type == "cpu":
        return list(tensors)
    return _as_one(tensors, device, pinned=True)


def _as_one(tensors: Sequence[Tensor], device: torch.device, pinned: bool) -> list[Tensor]:
    places, end = [], 0
    for tensor in tensors:
        places.append(slice(end, end + tensor.numel() * tensor.element_size()))
        end += -(-(tensor.numel() * tensor.element_size()) // _ALIGNED) * _ALIGNED
    # The memory is torch's own to reuse, which it does only after the copy is done.
    joined = torch.empty(end, dtype=torch.uint8, pin_memory=pinned)
    for tensor, place in zip(tensors, places, strict=True):
        joined[place].view(tensor.dtype).copy_(tensor.flatten())
    moved = joined.to(device, non_blocking=True)
    return [
        moved[place].view(tensor.dtype).view(tensor.shape)
        for tensor, place in zip(tensors, places, strict=True)
    ]
