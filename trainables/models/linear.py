"""The linear layers of a model that an adapter can be put on."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor, nn

from trainables.models.folder.weights import in_text_blocks

PLAIN = frozenset({"Linear", "FalconLinear"})
"""Classes that compute x @ W.T + b; other subclasses of `nn.Linear` do more, such as routing tokens."""

NF4 = "Nf4Linear"
"""The class that computes the same with W in 4 bits (`trainables.models.nf4`)."""

_READ = re.compile(r"\bself\.(\w+)\.weight\b(?!\[|\.(?:dtype|device|shape|ndim|data)\b)")

_TRANSPOSED = "Conv1D"
"""The class of transformers with W of shape (in, out)."""


@dataclass(frozen=True)
class LinearLayer:
    """A linear layer.

    Attributes:
        inner: Features of its input.
        outer: Features of its output.
        transposed: Whether its weight is of shape (in, out), as that of GPT-2's layers.
    """

    inner: int
    outer: int
    transposed: bool


def linear_layers(model: nn.Module) -> dict[str, LinearLayer]:
    """The linear layers inside the text model's blocks by full name, in order; the output head is not one.

    Layers whose weight another module reads by itself are left out, for an adapter on them would do
    nothing there: the kernels of state-space models take the weights of projections as they are.

    Args:
        model: On any device, also "meta".
    """
    layers = {}
    for name, module in model.named_modules():
        if in_text_blocks(name) and (layer := _linear(module)) is not None:
            parent, _, leaf = name.rpartition(".")
            owner: Any = type(model.get_submodule(parent))
            if leaf not in read_directly(owner):
                layers[name] = layer
    return layers


def _linear(module: nn.Module) -> LinearLayer | None:
    kind = type(module).__name__
    if isinstance(module, nn.Linear) and kind in (*PLAIN, NF4):
        return LinearLayer(module.in_features, module.out_features, False)
    if kind == _TRANSPOSED:
        return LinearLayer(int(module.nx), int(module.nf), True)  # type: ignore[arg-type]
    return None


def dense_weight(layer: Any) -> Tensor:
    """W of such a layer, shape (out, in); one in 4 bits is dequantised anew."""
    if type(layer).__name__ == NF4:
        made: Tensor = layer.dense()
        return made
    weight: Tensor = layer.weight.data
    return weight.t() if type(layer).__name__ == _TRANSPOSED else weight


@cache
def read_directly(parent: Any) -> frozenset[str]:
    """Names of the layers of a module of this class whose weights its code reads, whole, by itself."""
    try:
        source = inspect.getsource(parent)
    except (OSError, TypeError):
        return frozenset()
    return frozenset(_READ.findall(source))
