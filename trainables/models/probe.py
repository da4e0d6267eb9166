"""Tells by a few small passes how a model treats rows and positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_ROWS, _LENGTH, _CHANGED = 3, 8, 1
_FINE, _COARSE = 1e-4, 0.02
"""What differs by no more than this share of the largest value is the same but for rounding: in fp32 or
better, and in half precision."""


@dataclass(frozen=True)
class Probe:
    """What was seen of a model.

    Attributes:
        finite: Whether its logits are numbers.
        causal: Whether logits depend on no later token, padding after a text included.
        mixing: A layer whose input does not hold the rows of a batch one after another, such as one that
            sees the tokens that are routed to it; or "the output" where rows meet. None where there is none.
    """

    finite: bool
    causal: bool
    mixing: str | None


def probe(model: nn.Module, layers: Mapping[str, nn.Module], vocabulary: int) -> Probe:
    """Runs the model on random tokens; a collective call where its passes are.

    Args:
        model: A causal language model, called as those of `transformers` are.
        layers: Those whose inputs are looked at, by name.
        vocabulary: Number of tokens.
    """
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (_ROWS, _LENGTH), generator=draw)
    shifted = (ids + 1 + torch.randint(max(1, vocabulary - 1), ids.shape, generator=draw)) % vocabulary
    other_row, later = ids.clone(), ids.clone()
    other_row[_CHANGED] = shifted[_CHANGED]
    later[:, _LENGTH // 2 :] = shifted[:, _LENGTH // 2 :]
    device = next(model.parameters()).device
    with torch.no_grad(), _inputs(layers) as seen:
        runs = []
        for tokens in (ids, other_row, later):
            logits = model(input_ids=tokens.to(device), use_cache=False).logits
            runs.append((logits, dict(seen)))
            seen.clear()
    (plain, inputs), (beside, inputs_beside), (after, _) = runs
    early = slice(0, _LENGTH // 2)
    mixing = next((name for name in inputs if not _by_rows(inputs[name], inputs_beside.get(name))), None)
    if mixing is None and not _by_rows(plain, beside):
        mixing = "the output"
    return Probe(bool(torch.isfinite(plain).all()), _same(plain[:, early], after[:, early]), mixing)


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


def _by_rows(one: Tensor, other: Tensor | None) -> bool:
    """Whether these inputs, of batches that differ in one row only, differ in that row's share only."""
    if other is None or one.shape != other.shape or one[..., 0].numel() % _ROWS:
        return False
    ours, theirs = (tensor.reshape(_ROWS, -1, tensor.shape[-1]) for tensor in (one, other))
    kept = [row for row in range(_ROWS) if row != _CHANGED]
    return _same(ours[kept], theirs[kept])


def _same(one: Tensor, other: Tensor) -> bool:
    share = _FINE if torch.finfo(one.dtype).bits >= 32 else _COARSE
    return bool((one - other).abs().max() <= share * one.abs().max())
