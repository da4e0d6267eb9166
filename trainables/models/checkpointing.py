"""Gradient checkpointing (Chen et al., 2016, arXiv:1604.06174): blocks are computed again for gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from trainables.errors import UserError


def checkpoint_blocks(model: nn.Module) -> None:
    """Has every block keep its input only, wherever gradients are computed.

    It does what `gradient_checkpointing_enable` of `transformers` does, without its condition that the model
    is in training mode, which would switch the base model's own dropout on.

    Raises:
        UserError: The architecture does not support it.
    """
    blocks = _outermost(model) if getattr(model, "supports_gradient_checkpointing", False) else []
    if not blocks:
        raise UserError(
            f"workers.gradient_checkpointing: {type(model).__name__} does not support it.",
            hint="Remove it; workers.micro_batch=1 and a smaller task.max_length also save memory.",
        )
    for block in blocks:
        # On the instance and below its hooks, which ZeRO stage 3 has on every module: they run once.
        block.forward = partial(_recomputed, block.forward)


def _outermost(model: nn.Module) -> list[nn.Module]:
    """Blocks that are not part of another one."""
    if isinstance(model, GradientCheckpointingLayer):
        return [model]
    return [block for child in model.children() for block in _outermost(child)]


def _recomputed(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    # No random state is kept: the base model draws nothing, and an adapter's dropout has no state.
    return checkpoint(partial(forward, **kwargs), *args, use_reentrant=False, preserve_rng_state=False)
