"""Magnitudes of a layer's outputs (DoRA, Liu et al., 2024, arXiv:2402.09353), for the trials that have them.

A layer's output is then m / norm * ((W + scale * B @ A) @ x) + bias, with a trained m for each output, and
the norms of the rows of W + scale * B @ A, which count as constants for the gradient (section 4.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainables.lora.arena import Arena
from trainables.lora.layout import Layout

_ROWS = 1024
"""Columns of W that are read at once."""


@dataclass(frozen=True)
class Gains:
    """What a pass multiplies the outputs of a layer by.

    Attributes:
        trials: Which of the pass's trials have magnitudes.
        factors: m / norm of every trial, 1 where it has none, shape (trials, 1, out).
        norms: Of those that have, shape (their number, out).
        grads: Where gradients of m are summed, of every trial, shape (trials, out).
    """

    trials: list[int]
    factors: Tensor
    norms: Tensor
    grads: Tensor


class Magnitudes:
    """Computes gains once for all passes between two steps.

    Args:
        arena: The adapters.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._scales: Sequence[float] = ()
        self._squares: dict[str, Tensor] = {}
        self._gains: dict[tuple[str, tuple[int, ...], int], Gains | None] = {}

    def forget(self, scales: Sequence[float] | None = None) -> None:
        """To be called when weights have changed, and with the scales of all rows when these have moved."""
        self._gains.clear()
        if scales is not None:
            self._scales = scales

    def gains(self, site: str, base: nn.Module, layout: Layout, dtype: torch.dtype) -> Gains | None:
        """The gains of a pass at a layer; None where none of its trials has magnitudes there.

        Args:
            site: Name of the layer.
            base: The layer without adapters.
            layout: Of the pass.
            dtype: Of the layer's input.
        """
        key = (site, layout.first, layout.trials)
        if key not in self._gains:
            first = layout.first[0]  # trials of several adapters have no magnitudes
            having = [trial for trial in range(layout.trials) if self._arena.scaled(first + trial, site)]
            self._gains[key] = self._made(site, base, layout, having, dtype) if having else None
        return self._gains[key]

    @torch.no_grad()
    def _made(
        self, site: str, base: nn.Module, layout: Layout, having: list[int], dtype: torch.dtype
    ) -> Gains:
        place, first, arena = self._arena.sites[site], layout.first[0], self._arena
        if site not in self._squares:
            self._squares[site] = _squared_norms(base, place.features, arena.weights, dtype)
        rows = slice(first, first + layout.trials)
        magnitudes = place.magnitudes(arena.weights[rows])
        factors, norms = torch.ones_like(magnitudes), []
        for trial in having:
            a, b = arena.views(first + trial, arena.weights)[site]
            # Squared norms of rows w + s b A, which are never made: |w|^2 + 2 s w A.T b + s^2 b A A.T b.
            scale = self._scales[first + trial]
            crossed = 2 * _times(base, a, dtype) + scale * (a @ a.t() @ b)
            norms.append((self._squares[site] + scale * (crossed * b).sum(0)).sqrt())
            factors[trial] = magnitudes[trial] / norms[-1]
        return Gains(having, factors[:, None], torch.stack(norms), place.magnitudes(arena.grads[rows]))


def _times(base: nn.Module, x: Tensor, dtype: torch.dtype) -> Tensor:
    """x @ W.T by the layer itself, whatever keeps its W, in the type of `x`, shape (rows, out)."""
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = base(x.to(dtype))
    bias = getattr(base, "bias", None)
    return (out if bias is None else out - bias).to(x.dtype)


def _squared_norms(base: nn.Module, features: tuple[int, int], like: Tensor, dtype: torch.dtype) -> Tensor:
    """Squared norms of the rows of W, shape (out,)."""
    inner, outer = features
    total = like.new_zeros(outer)
    for start in range(0, inner, _ROWS):
        columns = like.new_zeros(min(_ROWS, inner - start), inner)
        columns[:, start:].fill_diagonal_(1)
        total += _times(base, columns, dtype).square().sum(0)
    return total


def scaled_by(out: Tensor, gains: Gains, layout: Layout, bias: Tensor | None) -> Tensor:
    """The layer's output, multiplied by the gains but for its bias.

    Args:
        out: The layer's output with its bias, shape (rows, ..., out).
        gains: Of the pass.
        layout: Likewise.
        bias: Shape (out,), or None.

    Returns:
        The same shape and type as `out`.
    """
    scaled: Tensor = _Scaled.apply(out, gains, layout, bias)  # type: ignore[no-untyped-call]
    return scaled


class _Scaled(torch.autograd.Function):
    """out * factor + (1 - factor) * bias; gradients of magnitudes are added to the arena's."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, gains: Gains, layout: Layout, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(out)
        ctx.gains, ctx.layout, ctx.bias = gains, layout, bias
        factors = gains.factors.to(out.dtype)
        scaled = layout.spread(out) * factors
        if bias is not None:
            scaled += (1 - factors) * bias
        return layout.gather(scaled, out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        gains, layout = ctx.gains, ctx.layout
        (out,) = ctx.saved_tensors
        wide, seen = layout.spread(grad.contiguous()), layout.spread(out)[gains.trials]
        if ctx.bias is not None:
            seen = seen - ctx.bias
        gains.grads[gains.trials] += (wide[gains.trials] * seen).sum(1).to(gains.norms.dtype) / gains.norms
        return layout.gather(wide * gains.factors.to(wide.dtype), grad), None, None, None
