"""The forward pass of a linear layer with the adapters of several trials, and its backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from trainables.lora.arena import Arena
from trainables.lora.layout import Layout
from trainables.lora.magnitudes import Magnitudes, scaled_by
from trainables.models.linear import NF4, PLAIN

_TOGETHER = 64
"""On a GPU, ranks up to the same multiple of this share a product: one more would cost more than zeros."""


@dataclass(frozen=True)
class Segment:
    """Adapters of a pass that share a batched product at one layer.

    Attributes:
        plane: Which of the layout's planes they lie in.
        rows: Which of the pass's trials they are of.
        a: A, shape (adapters, rank, in), in the type that the base model computes in.
        b: B.T, shape (adapters, rank, out), likewise.
        scale: Factor on B @ A, shape (adapters, 1, 1).
        a_grad: Where gradients of A are summed.
        b_grad: Where those of B.T are.
    """

    plane: int
    rows: slice
    a: Tensor
    b: Tensor
    scale: Tensor
    a_grad: Tensor
    b_grad: Tensor


class PackedPass:
    """What the packed layers of a model share: the arena, and the layout of the pass under way.

    Args:
        arena: The adapters.
        low: Type that the base model computes in, where it is not the arena's.

    Attributes:
        dtype: Type that the adapters are multiplied in.
        layout: None runs the base model as it is.
        anchor: Makes the outputs require a gradient, which goes into the arena by itself.
    """

    def __init__(self, arena: Arena, low: torch.dtype | None) -> None:
        self.arena = arena
        self.dtype = low or arena.weights.dtype
        self.layout: Layout | None = None
        self.anchor = torch.zeros((), requires_grad=True)
        self._low = low
        self._magnitudes = Magnitudes(arena)
        self._copy: Tensor | None = None
        self._scales = arena.weights.new_zeros(0, 1, 1)
        self._segments: dict[tuple[str, tuple[int, ...], int], list[Segment]] = {}
        self._together = 1 if arena.weights.device.type == "cpu" else _TOGETHER

    def rows_moved(self, scales: Sequence[float]) -> None:
        """To be called when the arena has been laid out anew; `scales` are those of its rows."""
        self._scales = self.arena.weights.new_tensor(scales).view(-1, 1, 1)
        self._magnitudes.forget(scales)
        room = self.arena.room
        if self._low is not None and (self._copy is None or self._copy.shape != room):
            self._copy = None
            self._copy = self.arena.weights.new_empty(room, dtype=self._low)
        self._segments.clear()

    def take_weights(self, rows: int) -> None:
        """Has the passes to come compute with the weights of the first rows as they are now."""
        self._magnitudes.forget()
        if self._copy is not None:
            self._copy[:rows].copy_(self.arena.weights[:rows])

    def segments(self, site: str, layout: Layout) -> list[Segment]:
        """The adapters of a pass at a layer; made once, for thousands of passes ask."""
        key = (site, layout.first, layout.trials)
        if key not in self._segments:
            self._segments[key] = [
                segment
                for plane, first in enumerate(layout.first)
                for segment in self._plane(site, plane, first, layout.trials)
            ]
        return self._segments[key]

    def _plane(self, site: str, plane: int, first: int, trials: int) -> list[Segment]:
        ranks = [self.arena.rank(first + index, site) for index in range(trials)]
        runs = alike(ranks, self._together)
        return [self._segment(site, plane, first, rows, max(ranks[rows])) for rows in runs]

    def _segment(self, site: str, plane: int, first: int, rows: slice, rank: int) -> Segment:
        place, held = self.arena.sites[site], slice(first + rows.start, first + rows.stop)
        weights = self.arena.weights if self._copy is None else self._copy
        parts = (*place.views(weights[held]), *place.views(self.arena.grads[held]))
        a, b, a_grad, b_grad = (part[:, :rank] for part in parts)
        return Segment(plane, rows, a, b, self._scales[held], a_grad, b_grad)

    def run(self, site: str, base: nn.Module, x: Tensor) -> Tensor:
        """The layer's output with every row's own adapter.

        Args:
            site: Name of the layer.
            base: The layer without adapters.
            x: Its input, shape (rows, ..., in).

        Raises:
            ValueError: The layer does not see whole rows (a layer of an expert, for example), and the pass
                needs to know whose its tokens are.
        """
        layout = self.layout
        if layout is None or site not in self.arena.sites:
            return cast(Tensor, base(x))
        if x.shape[0] != layout.rows and layout.whole_rows and x[..., 0].numel() % layout.rows:
            raise ValueError(f"{site} does not see whole rows, so several adapters cannot share a pass")
        if not self.segments(site, layout):
            return cast(Tensor, base(x))
        # With a bias torch returns a view of a flat product, and writing to a view costs copies.
        flat = x if getattr(base, "bias", None) is None else x.reshape(-1, x.shape[-1])
        device = x.device.type
        casts = torch.is_autocast_enabled(device)
        dense = base if not casts and _dense(base, x) else None
        out = base(flat) if dense is None else None
        given = (out, x, self.anchor, self, site, layout, dense)
        with torch.autocast(device, enabled=False) if casts else nullcontext():
            made: Tensor = _Packed.apply(*given)  # type: ignore[no-untyped-call]
        made = made.view(*x.shape[:-1], made.shape[-1])
        gains = self._magnitudes.gains(site, base, layout, x.dtype)
        return made if gains is None else scaled_by(made, gains, layout, getattr(base, "bias", None))


def _dense(base: nn.Module, x: Tensor) -> TypeGuard[nn.Linear]:
    """Whether the layer is x @ W.T + b with a weight that is all here, and its calls are its own."""
    return (
        isinstance(base, nn.Linear)
        # Others multiply in ways of their own, such as quantised ones.
        and (_quantised(base, x) or (type(base).__name__ in PLAIN and type(base.weight) is nn.Parameter))
        and "forward" not in vars(base)
        and not hasattr(base.weight, "ds_id")  # DeepSpeed gathers it when the layer is called
        and not (base._forward_hooks or base._forward_pre_hooks)
        and not (base._backward_hooks or base._backward_pre_hooks)
    )


def _quantised(base: Any, x: Tensor) -> bool:
    """Whether W is in 4 bits and worth dequantising: without gradients a GPU has faster ways for few rows."""
    return type(base).__name__ == NF4 and torch.is_grad_enabled() and x.dtype == base.compute_dtype


def _weight(base: Any) -> Tensor:
    """W of a layer that is `_dense`, shape (out, in); one in 4 bits is dequantised anew."""
    weight: Tensor = base.dense() if type(base).__name__ == NF4 else base.weight
    return weight


def alike(ranks: Sequence[int], together: int) -> list[slice]:
    """Runs of neighbours whose ranks need the same multiple of `together`; those of rank 0 are in none."""
    runs, start = [], 0
    for multiple, run in groupby(-(-rank // together) for rank in ranks):
        stop = start + len(list(run))
        if multiple:
            runs.append(slice(start, stop))
        start = stop
    return runs


class _Packed(torch.autograd.Function):
    """out + scale * (dropout(x) @ A.T) @ B.T for every adapter at once, in batched products.

    The inner activations are kept with the rank outside, (adapters, rank, tokens). The gradients of A
    and B are added to the arena's, where an optimizer step finds those of all trials in one piece. Both are
    sums over tokens of products with inner activations or their gradient, so tokens that an adapter does not
    learn from are zero there; the gradient of x has been taken before.

    Where the base layer is a product with a weight that is all here, that product is taken here as well: the
    gradient of its input is then one tensor, to which the adapters' is added where it lies. As two, autograd
    would have to sum them. Where it is not, `out` is what it gave. That is the first argument, because
    autograd takes the gradient of a view that is written to from the first place of what `backward` returns,
    whichever argument the view was.
    """

    @staticmethod
    def forward(
        ctx: Any,
        out: Tensor | None,
        x: Tensor,
        anchor: Tensor,
        shared: PackedPass,
        site: str,
        layout: Layout,
        dense: nn.Linear | None,
    ) -> Tensor:
        segments = shared.segments(site, layout)
        seen = _seen(
            layout, x, None if layout.dropout is None else layout.dropout.scale(site, x), shared.dtype
        )
        given = out is not None
        if out is None:
            assert dense is not None
            flat = x if dense.bias is None else x.reshape(-1, x.shape[-1])
            out = functional.linear(flat, _weight(dense), dense.bias)
        direct = layout.even and out.is_contiguous() and out.dtype == seen.dtype
        several = len(layout.first) > 1
        if direct:
            # In place: the base layer's weights are frozen, so its backward pass does not need its output.
            if given:
                ctx.mark_dirty(out)
            wide = layout.spread(out)
        else:
            wide = _blank(seen.new_empty(*seen.shape[:2], out.shape[-1]), segments, several)
        inners = []
        for part in segments:
            inner = torch.bmm(part.a, seen[part.rows].transpose(1, 2)).mul_(part.scale)
            _take_product(wide[part.rows], inner.transpose(1, 2), part.b, add=direct or several)
            inners.append(_gated(inner, part, layout, x))
        ctx.save_for_backward(x, *inners)
        ctx.segments, ctx.site, ctx.layout, ctx.dtype = segments, site, layout, shared.dtype
        ctx.dense = dense
        return out if direct else out + layout.gather(wide, out).to(out.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *inners = ctx.saved_tensors
        layout, grad = ctx.layout, grad.contiguous()
        keep = None if layout.dropout is None else layout.dropout.scale(ctx.site, x)
        seen, wide = _seen(layout, x, keep, ctx.dtype), layout.spread(grad).to(ctx.dtype)
        x_grad = seen_grad = None
        in_place, several = False, len(layout.first) > 1
        if ctx.needs_input_grad[1]:
            x_grad = None if ctx.dense is None else torch.matmul(grad, _weight(ctx.dense)).view(x.shape)
            in_place = x_grad is not None and layout.even and keep is None and x_grad.dtype == seen.dtype
            seen_grad = (
                layout.spread(x_grad) if in_place else _blank(torch.empty_like(seen), ctx.segments, several)
            )
        for part, inner in zip(ctx.segments, inners, strict=True):
            inner_grad = torch.bmm(part.b, wide[part.rows].transpose(1, 2)).mul_(part.scale)
            _add_product(part.b_grad, inner, wide[part.rows])
            if seen_grad is not None:
                whole = inner_grad.transpose(1, 2)
                _take_product(seen_grad[part.rows], whole, part.a, add=in_place or several)
            _add_product(part.a_grad, _gated(inner_grad, part, layout, x), seen[part.rows])
        if seen_grad is not None and not in_place:
            gathered = layout.gather(seen_grad, x).to(x.dtype)
            gathered = gathered if keep is None else gathered * keep
            x_grad = gathered if x_grad is None else x_grad.add_(gathered)
        return None if ctx.dense is not None else grad, x_grad, None, None, None, None, None


def _seen(layout: Layout, x: Tensor, keep: Tensor | None, dtype: torch.dtype) -> Tensor:
    """What the adapters multiply; some layers of a model compute in another type than the others."""
    return layout.spread(x if keep is None else x * keep).to(dtype)


def _blank(total: Tensor, segments: Sequence[Segment], several: bool) -> Tensor:
    """A new tensor for the products of these segments, zero where none of them writes to.

    Those of several planes are added to one another.
    """
    written = sum(part.rows.stop - part.rows.start for part in segments)
    return total if written == len(total) and not several else total.zero_()


def _gated(inner: Tensor, part: Segment, layout: Layout, x: Tensor) -> Tensor:
    """Inner activations or their gradient, in place, zero for tokens that the adapters do not learn from."""
    gate = layout.gate(part.plane, x, inner.dtype)
    return inner if gate is None else inner.mul_(gate[part.rows])


def _take_product(total: Tensor, left: Tensor, right: Tensor, add: bool) -> None:
    """total = left @ right, batched, or with `add` total += left @ right."""
    if add:
        total.baddbmm_(left, right)
    else:
        torch.bmm(left, right, out=total)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, batched; the sum is in the type of `total`."""
    if total.dtype == left.dtype:
        total.baddbmm_(left, right)
    else:
        total += torch.bmm(left, right)
