"""Whether the base model is as it was: trials must leave nothing behind that the next one would see."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TypeAlias

import torch
from torch import nn

_State: TypeAlias = Mapping[str, tuple[object, ...]]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Untouched:
    """Knows the modules, hooks, weights and buffers that a model had, without a copy of them.

    Of the numbers of a tensor the sum is compared.

    Args:
        model: The model as it is to stay.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = _state(model)

    def check(self) -> None:
        """Compares the model with what it was.

        Raises:
            RuntimeError: Something else is there, or has been changed in place.
        """
        now = _state(self._model)
        changed = sorted(
            name for name in now.keys() | self._before.keys() if now.get(name) != self._before.get(name)
        )
        if changed:
            raise RuntimeError(f"a trial changed the base model: {', '.join(changed[:3])}")


def _state(model: nn.Module) -> _State:
    """What identifies each module and tensor, and tells whether it has been changed."""
    state: dict[str, tuple[object, ...]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        hooks = tuple(key for kind in _HOOKS for key in getattr(module, kind))
        state[f"module {name or 'at the top'}"] = (
            id(module),
            module.training,
            hooks,
            "forward" in vars(module),
        )
    # Buffers that are not saved are the model's own scratch paper.
    tensors = model.state_dict(keep_vars=True)
    # Of a quantised layer the statistics are among them, some in tensors that are made when asked for.
    held = {id(tensor) for tensor in chain(model.parameters(), model.buffers())}
    for name, tensor in tensors.items():
        if id(tensor) in held:
            state[name] = (id(tensor), tensor.requires_grad)
    # What ZeRO has sharded comes and goes, and is not looked at.
    whole = {name: tensor for name, tensor in tensors.items() if not hasattr(tensor, "ds_id")}
    sums = [tensor.detach().sum(dtype=torch.float64) for tensor in whole.values()]
    numbers = torch.stack(sums).tolist() if sums else []
    return state | {f"values of {name}": (repr(number),) for name, number in zip(whole, numbers, strict=True)}
