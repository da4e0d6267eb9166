"""Losses and their gradients from hidden states: through chunks of logits, and through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.packing.bases import SHAPES, miniature
from benchmarks.packing.meter import release
from benchmarks.packing.standing import Repeats, seconds_of
from trainables.data.batches import IGNORED
from trainables.models.chunk_size import chunk_tokens
from trainables.models.chunks import NextTokens, chunked_losses

_CASES = tuple(
    (model, tokens, prompt) for prompt in (0.0, 0.75) for model in ("1.5b", "8b") for tokens in (8192, 32_768)
)
"""Shape, tokens of a pass, and share of them that are prompts and no targets."""

_SAME = 2e-2
"""Difference that rounding in bfloat16 may make, relative to the norm."""

Way: TypeAlias = Callable[[nn.Module, Tensor, NextTokens], Tensor]


def run(stage: Stage) -> Iterator[Row]:
    """A row for each case and way."""
    for model, tokens, prompt in _CASES[1:3] if stage.rehearse else _CASES:
        if stage.remaining() < 1:
            yield {"model": model, "tokens": tokens, "prompt": prompt, "skipped": "no time left"}
            continue
        yield from _case(stage, model, 48 if stage.rehearse else tokens, prompt)


def _case(stage: Stage, model: str, tokens: int, prompt: float) -> Iterator[Row]:
    shape = miniature(SHAPES[model]) if stage.rehearse else SHAPES[model]
    torch.manual_seed(0)
    width, vocabulary, rows = shape.hidden_size, shape.vocab_size, 8
    options: Any = {"device": stage.device, "dtype": torch.bfloat16}
    head = nn.Linear(width, vocabulary, bias=False, **options).requires_grad_(False)
    hidden = torch.randn(rows, tokens // rows, width, **options).requires_grad_()
    labels = torch.randint(vocabulary, (rows, tokens // rows))
    labels[:, : int(prompt * tokens // rows)] = IGNORED
    wanted = NextTokens.of(labels).to(stage.device)
    facts: Row = {"model": model, "tokens": tokens, "prompt": prompt}
    chunk = 8 if stage.rehearse else chunk_tokens(vocabulary, stage.device.type)
    ways: dict[str, Way] = {"whole logits": _whole, "chunks": partial(_chunks, chunk)}
    if (liger := _liger(stage)) is not None:
        ways["Liger"] = liger
    first: tuple[Row, Tensor, Tensor] | None = None
    for name, way in ways.items():
        try:
            row, loss, grad = _measured(stage, partial(_step, way, head, hidden, wanted), hidden)
        except torch.OutOfMemoryError:
            yield facts | {"way": name, "skipped": "out of memory"}
            release(stage.device)
            continue
        if first is None and name == "whole logits":
            first = row, loss, grad
            yield facts | {"way": name} | row
            continue
        yield facts | {"way": name} | row | (_compared(first, row, loss, grad) if first else {})


def _whole(head: nn.Module, hidden: Tensor, wanted: NextTokens) -> Tensor:
    return wanted.losses(head(hidden)).sum()


def _chunks(chunk: int, head: nn.Module, hidden: Tensor, wanted: NextTokens) -> Tensor:
    return chunked_losses(head, hidden, wanted, chunk).sum()


def _liger(stage: Stage) -> Way | None:
    """Liger Kernel's, where it is installed and there is a GPU to run it on."""
    if stage.device.type != "cuda":
        return None
    try:
        fused = import_module("liger_kernel.transformers").LigerFusedLinearCrossEntropyLoss(reduction="sum")
    except ImportError:
        return None

    def way(head: nn.Module, hidden: Tensor, wanted: NextTokens) -> Tensor:
        loss: Tensor = fused(head.weight, hidden.flatten(0, 1)[wanted.places], wanted.tokens)
        return loss

    return way


def _step(way: Way, head: nn.Module, hidden: Tensor, wanted: NextTokens) -> Tensor:
    hidden.grad = None
    loss = way(head, hidden, wanted)
    torch.autograd.backward(loss)
    return loss.detach()


def _measured(stage: Stage, step: Callable[[], Tensor], hidden: Tensor) -> tuple[Row, Tensor, Tensor]:
    release(stage.device)
    on_gpu = stage.device.type == "cuda"
    before = torch.cuda.memory_allocated(stage.device) if on_gpu else 0
    loss = step()
    assert hidden.grad is not None
    grad = hidden.grad.detach().clone()
    row: Row = {}
    if on_gpu:
        row["memory_gib"] = (torch.cuda.max_memory_allocated(stage.device) - before) / 2**30
    row["ms"] = 1e3 * seconds_of(step, stage.device, Repeats(runs=5, seconds=1.0))
    return row, loss, grad


def _compared(first: tuple[Row, Tensor, Tensor], row: Row, loss: Tensor, grad: Tensor) -> Row:
    whole, expected, gradient = first
    off = float((grad.float() - gradient.float()).norm() / gradient.float().norm())
    loss_off = float((loss - expected).abs() / expected.abs())
    facts: Row = {"loss_difference": loss_off, "gradient_difference": off, "speed": whole["ms"] / row["ms"]}
    if "memory_gib" in row:
        facts["memory"] = row["memory_gib"] / whole["memory_gib"]
    met = max(off, loss_off) <= _SAME
    aim = f"differences <= {_SAME}"
    if "memory_gib" in row:  # a CPU says nothing of the speed
        aim, met = aim + ", speed >= 1x", met and facts["speed"] >= 1
    return facts | {"aim": aim, "met": met}


PART = Part(
    "head", "losses through chunks of logits take less memory than whole logits, and no longer", 30.0, run
)
