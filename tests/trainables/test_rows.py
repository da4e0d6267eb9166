"""Models whose rows meet, and layers that do not see whole rows, are noticed before trials are packed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.trainables.small import VOCABULARY, tiny_llama
from trainables.models.linear import linear_layers, read_directly
from trainables.models.rows import where_rows_meet


def look(model: nn.Module) -> str | None:
    layers = {name: model.get_submodule(name) for name in linear_layers(model)}
    return where_rows_meet(model, layers, VOCABULARY)


class Routed(nn.Module):
    """Every token goes to one of two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(-1, x.shape[-1])
        first = tokens[:, 0] > 0
        out = torch.empty_like(tokens)
        out[first], out[~first] = self.one(tokens[first]), self.two(tokens[~first])
        return out.view(x.shape)


class LengthFirst(nn.Module):
    """A layer that sees the positions outside and the rows inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x.transpose(0, 1).contiguous()).transpose(0, 1)
        return out


class Meeting(nn.Module):
    """Rows meet."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


def test_a_plain_model_is_as_packing_assumes() -> None:
    assert look(tiny_llama()) is None


def test_layers_that_see_routed_tokens_or_other_orders_are_named() -> None:
    for odd, name in ((Routed(32), "layers.1.mlp.two"), (LengthFirst(32), "layers.1.mlp.inner")):
        model = tiny_llama()
        model.model.layers[1].mlp = odd
        assert str(look(model)).endswith((name, name.replace("two", "one")))


def test_rows_that_meet_are_seen() -> None:
    model = tiny_llama(layers=1)
    model.model.norm = Meeting()
    assert look(model) == "the output"


class Kernel(nn.Module):
    """Hands one weight to a kernel, and asks others for less."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.bypassed, self.sliced = (nn.Linear(2, 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.called(x.to(self.called.weight.dtype))
        return nn.functional.linear(x, self.bypassed.weight) + self.sliced.weight[0]


def test_layers_whose_weights_are_read_without_them_get_no_adapter() -> None:
    assert read_directly(Kernel) == {"bypassed"}
