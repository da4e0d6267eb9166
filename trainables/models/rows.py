"""Whether the rows of a batch stay apart in a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_ROWS, _LENGTH, _CHANGED = 3, 8, 1
_FINE, _COARSE = 1e-4, 0.02
"""What differs by no more than this share of the largest value is the same but for rounding: in fp32 or
better, and in half precision."""


def where_rows_meet(model: nn.Module, layers: Mapping[str, nn.Module], vocabulary: int) -> str | None:
    """Runs two batches of random tokens that differ in one row; a collective call where passes are.

    Args:
        model: A causal language model, called as those of `transformers` are.
        layers: Those whose inputs are looked at, by name.
        vocabulary: Number of tokens.

    Returns:
        A layer whose input does not hold the rows of a batch one after another, such as one that sees the
        tokens that are routed to it; or "the output" where rows meet. None where there is none.
    """
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (_ROWS, _LENGTH), generator=draw)
    other = ids.clone()
    steps = torch.randint(1, max(2, vocabulary), (_LENGTH,), generator=draw)
    other[_CHANGED] = (ids[_CHANGED] + steps) % vocabulary
    device = next(model.parameters()).device
    with torch.no_grad(), _inputs(layers) as seen:
        runs = []
        for tokens in (ids, other):
            logits = model(input_ids=tokens.to(device), use_cache=False).logits
            runs.append({**seen, "the output": logits})
            seen.clear()
    first, second = runs
    return next((name for name in first if not _by_rows(first[name], second.get(name))), None)


@contextmanager
def _inputs(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """The input of each layer in the last pass, of its last call."""
    seen: dict[str, Tensor] = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            seen[name] = args[0].detach()

        return hook

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in layers.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _by_rows(first: Tensor, second: Tensor | None) -> bool:
    """Whether these tensors, of batches that differ in one row only, differ in that row's share only."""
    if second is None or first.shape != second.shape or first[..., 0].numel() % _ROWS:
        return False
    ours, theirs = (tensor.reshape(_ROWS, -1, tensor.shape[-1]) for tensor in (first, second))
    kept = [row for row in range(_ROWS) if row != _CHANGED]
    share = _FINE if torch.finfo(first.dtype).bits >= 32 else _COARSE
    return bool((ours[kept] - theirs[kept]).abs().max() <= share * ours[kept].abs().max())
