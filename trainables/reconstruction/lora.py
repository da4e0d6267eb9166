"""A LoRA on a frozen model, by hooks on its linear layers that stay there and act only when told to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.folder.weights import BLOCK
from trainables.models.linear import LinearLayer, linear_layers


class LowRank(nn.Module):
    """The factors of a LoRA (Hu et al., 2021, arXiv:2106.09685).

    Args:
        layers: The model's linear layers by full name.
        params: Which of them get factors, of which rank and scale.

    Raises:
        UserError: The model has no layers of that kind, or fewer layers than are asked for.

    Attributes:
        sites: Full names of its layers.
        scale: Factor on B @ A.
        transposed: Whether the layers' own weights are of shape (in, out).
    """

    def __init__(self, layers: Mapping[str, LinearLayer], params: LoraParameters) -> None:
        super().__init__()
        refuse_beyond(blocks_of(layers), params.layers)
        self.sites = select_modules(layers, params)
        self.scale = params.scale
        self.transposed = any(layers[site].transposed for site in self.sites)
        self._places = {site: place for place, site in enumerate(self.sites)}
        shapes = [(layers[site].inner, layers[site].outer) for site in self.sites]
        self.a = nn.ParameterList(torch.empty(params.rank, inner) for inner, _ in shapes)
        self.b = nn.ParameterList(torch.zeros(outer, params.rank) for _, outer in shapes)
        for weight in self.a:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))

    def __contains__(self, site: str) -> bool:
        return site in self._places

    def forward(self, site: str, x: Tensor) -> Tensor:
        """What is added to a layer's output, for its input of shape (..., in)."""
        place = self._places[site]
        a, b = self.a[place], self.b[place]
        added: Tensor = (x.to(a.dtype) @ a.T @ b.T) * self.scale
        return added


class LoraHooks:
    """Adds to a model's linear layers what the current LoRA has for them; nothing where there is none.

    The hooks are part of the model for as long as the worker lives. What is current stays so until it is
    changed, so that blocks which are computed again for the backward pass compute the same.

    Args:
        model: Frozen.

    Attributes:
        current: The LoRA that acts.
        layers: The model's linear layers by full name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.current: LowRank | None = None
        self.layers = linear_layers(model)
        for site in self.layers:
            model.get_submodule(site).register_forward_hook(partial(self._add, site))

    def _add(self, site: str, module: nn.Module, given: Sequence[Any], output: Tensor) -> Tensor | None:
        if self.current is None or site not in self.current:
            return None
        added: Tensor = self.current(site, given[0])
        return output + added.to(output.dtype)


def blocks_of(sites: Sequence[str] | Mapping[str, Any]) -> int:
    """Number of a model's blocks, by the full names of its linear layers."""
    numbers = [int(match[1]) for site in sites if (match := BLOCK.search(site))]
    return max(numbers, default=-1) + 1


def refuse_beyond(blocks: int, layers: int | None) -> None:
    """Refuses more layers than there are.

    Raises:
        UserError: `layers` is more than `blocks`.
    """
    if layers is not None and layers > blocks:
        raise UserError(
            f"layers: LoRA on the first {layers} layers, but the model has {blocks}.",
            hint=f"Set layers to {blocks} or less; null is all of them.",
        )
