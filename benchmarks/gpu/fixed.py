"""Forward and backward pass of a pack whose shape stays the same, in several ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, Qwen2Config
from transformers.models.qwen2 import modeling_qwen2

from benchmarks.packing.bases import random_base
from benchmarks.packing.work import make_trials
from trainables.lora.adapters import Adapters
from trainables.models.chunks import NextTokens
from trainables.serving.base import HeldBase


class Fixed:
    """The same pass again and again: fixed tokens, and adapters that stay where they are.

    Args:
        config: Shape of the base, of the family of Qwen2.
        most: Adapters.
        length: Tokens of a row; each adapter has one.
        device: Where it runs.
    """

    def __init__(
        self, config: LlamaConfig | Qwen2Config, most: int, length: int, device: torch.device
    ) -> None:
        self._base = HeldBase(random_base(config, device))
        self._base.find_head(always=True)
        self._adapters = Adapters(self._base.model, "base")
        with device:  # PEFT draws the weights where it makes them
            for index, params in enumerate(make_trials(most, 1, [32])):
                self._adapters.add(str(index), params)
        self._adapters.arrange([str(index) for index in range(most)])
        self._adapters.arena.weights.normal_(0, 0.02)
        draw = torch.Generator().manual_seed(0)
        self._ids = torch.randint(config.vocab_size, (most, length), generator=draw)

    @contextmanager
    def running(self, trials: int) -> Iterator[Callable[[], Tensor]]:
        """A pass of the first adapters, as often as it is called; it returns their gradients."""
        ids = self._ids[:trials].to(self._base.device)
        wanted = NextTokens.of(self._ids[:trials]).to(self._base.device)
        grads = self._adapters.arena.grads[:trials]

        def step() -> Tensor:
            grads.zero_()
            torch.autograd.backward(self._base.losses(ids, wanted).sum(-1).sum())
            return grads

        with self._adapters.active(trials):
            self._adapters.lay_out(0, [1] * trials, None)
            yield step

    @contextmanager
    def compiled(self, backend: str) -> Iterator[None]:
        """Has torch compile what lies between the linear layers: norms, rotation, the gate's product.

        Each kind is compiled once for all blocks. The linear layers stay as they are: their adapters write to
        the arena, which a compiler does not see through.
        """
        compile_ = partial(torch.compile, backend=backend, dynamic=False)
        norm, gate = compile_(_norm), compile_(_gate)
        rotate = modeling_qwen2.apply_rotary_pos_emb
        changed: list[nn.Module] = []
        for module in self._base.model.modules():
            kind = type(module).__name__
            if kind.endswith("RMSNorm"):
                module.forward = partial(_normed, norm, module)
            elif kind.endswith("MLP"):
                module.forward = partial(_gated, gate, module)
            else:
                continue
            changed.append(module)
        modeling_qwen2.apply_rotary_pos_emb = compile_(rotate)
        try:
            yield
        finally:
            modeling_qwen2.apply_rotary_pos_emb = rotate
            for module in changed:
                del module.forward


def captured(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The same pass as a CUDA graph, which the device runs without a launch of each kernel.

    Raises:
        RuntimeError: Something in it cannot be captured.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        grads = step()

    def replayed() -> Tensor:
        graph.replay()
        return grads

    return replayed


def _normed(compiled: Callable[..., Tensor], module: Any, x: Tensor) -> Tensor:
    return compiled(x, module.weight, module.variance_epsilon)


def _norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    precise = x.float()
    normed = precise * torch.rsqrt(precise.square().mean(-1, keepdim=True) + epsilon)
    return weight * normed.to(x.dtype)


def _gated(compiled: Callable[..., Tensor], module: Any, x: Tensor) -> Tensor:
    out: Tensor = module.down_proj(compiled(module.gate_proj(x), module.up_proj(x)))
    return out


def _gate(gate: Tensor, up: Tensor) -> Tensor:
    return functional.silu(gate) * up
