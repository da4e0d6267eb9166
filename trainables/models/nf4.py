"""Linear layers that are kept in 4 bits: NF4 (Dettmers et al., 2023, arXiv:2305.14314), by bitsandbytes."""

from __future__ import annotations

from typing import Any, cast

import torch
from bitsandbytes.functional import dequantize_blockwise
from bitsandbytes.nn import Linear4bit, Params4bit
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from trainables.models.linear import LinearLayer, linear_layers


class Nf4Linear(Linear4bit):  # type: ignore[misc]
    """x @ W.T + b with a frozen W in NF4, which is dequantised whenever it is multiplied.

    PEFT takes it for the layer of bitsandbytes that it is. What differs: nothing dense is kept for the
    backward pass, and where DeepSpeed shards W, nothing that it has gathered.

    Args:
        layer: Sizes of the layer.
        bias: Whether it adds a bias.
        dtype: What it computes in.
        double_quant: Whether the scales of W are quantised as well.
    """

    weight: Any

    def __init__(self, layer: LinearLayer, bias: bool, dtype: torch.dtype, double_quant: bool) -> None:
        super().__init__(
            layer.inner,
            layer.outer,
            bias,
            compute_dtype=dtype,
            compress_statistics=double_quant,
            quant_type="nf4",
        )
        # In evaluation bitsandbytes would go over to a format for AVX-512 and stay there: one that computes
        # in bfloat16 whatever the type is, rounds the scales, and has no backward pass.
        self.support_avx512bf16_for_cpu = False
        self.requires_grad_(False)

    def quantise(self, weight: Tensor) -> None:
        """Takes over a dense W, shape (out, in)."""
        self.weight = self.quantised(weight)

    def quantised(self, weight: Tensor) -> nn.Parameter:
        """A dense W, shape (out, in), as this layer keeps it."""
        kept = Params4bit(
            weight,
            requires_grad=False,
            compress_statistics=self.weight.compress_statistics,
            quant_type="nf4",
            module=self,
        )
        return cast(nn.Parameter, kept.to(weight.device))

    def dense(self) -> Tensor:
        """W in the type that the layer computes in, shape (out, in), made anew."""
        state = self.weight.quant_state
        scales = state.absmax
        if state.nested:
            scales = dequantize_blockwise(scales, state.state2) + state.offset
        # Not by its rows: on CPUs with AVX-512, bitsandbytes 0.50 takes wrong scales for rows of whole halves
        # of blocks, such as 96 weights.
        count, block = state.shape.numel(), state.blocksize
        blocks = (1, count) if count % block else (count // block, block)
        by_block: Tensor = torch.ops.bitsandbytes.dequantize_4bit.default(
            self.weight.data, scales, block, state.quant_type, blocks, state.dtype
        )
        return by_block.view(state.shape)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, shape (..., out), in the type of `x`, shape (..., in)."""
        if x.is_cuda and not (torch.is_grad_enabled() and x.requires_grad):
            return cast(Tensor, super().forward(x))  # for few rows a kernel that needs no dense W
        out: Tensor = _Product.apply(x.to(self.compute_dtype), self)  # type: ignore[no-untyped-call]
        return out.to(x.dtype)


class _Product(torch.autograd.Function):
    """x @ W.T + b, of which nothing but the layer is kept: W is dequantised again for the gradient of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Nf4Linear) -> Tensor:
        ctx.layer = layer
        return functional.linear(x, layer.dense(), layer.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return torch.matmul(grad, ctx.layer.dense()), None


def quantise_layers(model: nn.Module, double_quant: bool = True) -> None:
    """Keeps every layer that an adapter can be put on in NF4, and lets go of the dense ones one by one."""
    for name, layer in linear_layers(model).items():
        dense: Any = model.get_submodule(name)
        weight = dense.weight.data
        made = empty(layer, dense, double_quant)
        made.quantise(weight.t().contiguous() if layer.transposed else weight)
        if dense.bias is not None:
            made.bias = dense.bias
        model.set_submodule(name, made.train(dense.training))


def empty(layer: LinearLayer, dense: Any, double_quant: bool) -> Nf4Linear:
    """A layer for the place of a dense one, whose weights are still to be given to it."""
    with torch.device("meta"):
        return Nf4Linear(layer, dense.bias is not None, dense.weight.dtype, double_quant)
