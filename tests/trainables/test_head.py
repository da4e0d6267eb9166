"""Losses through the logits of some tokens at a time are those of whole logits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel

from tests.trainables.families import FAMILIES, OF_EACH_KIND, tiny
from tests.trainables.families import VOCABULARY as SMALL
from tests.trainables.small import random_examples, tiny_llama
from trainables.data.batches import IGNORED, token_losses
from trainables.data.examples import Example
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.passes import example_losses
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack
from trainables.lora.parameters import LoraParameters
from trainables.models.chunks import NextTokens, chunked_losses
from trainables.models.head import Afterwards, OutputHead, find_head
from trainables.serving.base import HeldBase

FALL_BACK: frozenset[str] = frozenset()
"""Families whose logits are made whole."""


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(2, 12),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from([Afterwards(), Afterwards(0.25), Afterwards(2.0, 3.0)]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 2**32),
)
def test_losses_and_gradients_are_those_of_whole_logits(
    rows: int, length: int, width: int, chunk: int, bias: bool, after: Afterwards, wanted: float, seed: int
) -> None:
    torch.manual_seed(seed)
    head = nn.Linear(width, SMALL, bias=bias, dtype=torch.float64).requires_grad_(False)
    labels = torch.randint(SMALL, (rows, length))
    labels[torch.rand(rows, length) >= wanted] = IGNORED
    hidden = torch.randn(rows, length, width, dtype=torch.float64)
    weights = torch.rand(rows, dtype=torch.float64)
    runs = []
    for whole in (True, False):
        own = hidden.clone().requires_grad_()
        if whole:
            losses = token_losses(after(head(own)), labels)
        else:
            losses = chunked_losses(lambda x: after(head(x)), own, NextTokens.of(labels), chunk)[:, :-1]
        (losses.sum(-1) * weights).sum().backward()
        assert own.grad is not None
        runs.append((losses.detach(), own.grad))
    for one, other in zip(*runs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("families", "dtype"), [(FAMILIES, torch.float32), (OF_EACH_KIND, torch.bfloat16)], ids=["all", "half"]
)
def test_the_head_is_found_in_every_family_but_those_named(
    families: Iterable[str], dtype: torch.dtype
) -> None:
    found = {family: find_head(tiny(family, dtype), SMALL) for family in families}
    assert {family for family, head in found.items() if isinstance(head, str)} == FALL_BACK


@pytest.mark.parametrize("family", ["llama", "gemma2", "cohere", "mamba", "qwen3_next"])
def test_held_out_losses_are_those_of_whole_logits(family: str) -> None:
    model = tiny(family)
    head = find_head(model, SMALL)
    assert isinstance(head, OutputHead)
    whole, by_parts = Forward(model), Forward(model, output_head=head)
    with whole.evaluating():
        expected, losses = (
            example_losses(forward, random_examples(9), copies=2, pad_id=0, batch_size=6)
            for forward in (whole, by_parts)
        )
    for one, other in zip(losses, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


class _Shifted(nn.Linear):
    """A head that mixes the tokens it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1 + x.abs().mean())


def _changed(model: Any, after: Any) -> PreTrainedModel:
    """A model that does something else to its logits."""
    plain = model.forward

    def forward(**given: Any) -> Any:
        out = plain(**given)
        out.logits = after(out.logits)
        return out

    model.forward = forward
    return model  # type: ignore[no-any-return]


def test_a_model_whose_logits_are_made_otherwise_keeps_them_whole() -> None:
    base = tiny_llama()
    shifted = tiny_llama()
    shifted.lm_head.__class__ = _Shifted  # type: ignore[assignment]
    nothing = tiny_llama()
    nothing.get_output_embeddings = lambda: None  # type: ignore[assignment,method-assign]
    unused = tiny_llama()
    spare = nn.Linear(32, SMALL)
    unused.get_output_embeddings = lambda: spare  # type: ignore[assignment,method-assign]
    models = [
        shifted,
        nothing,
        unused,
        _changed(tiny_llama(), lambda logits: logits.log_softmax(-1)),
        _changed(tiny_llama(), lambda logits: logits + 1),
        _changed(tiny_llama(), lambda logits: logits.view(*logits.shape[:2], SMALL)),
        _changed(tiny_llama(), lambda logits: next(iter(()))),
    ]
    assert [type(find_head(model, SMALL)) for model in models] == [str] * len(models)
    assert isinstance(find_head(base, SMALL), OutputHead)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_a_model_does_to_its_logits_is_seen_exactly(dtype: torch.dtype) -> None:
    model = tiny_llama().to(dtype)
    head = find_head(_changed(model, lambda logits: 7 * torch.tanh(logits / 3 / 7)), SMALL)
    assert isinstance(head, OutputHead)
    assert head.afterwards.factor == pytest.approx(1 / 3, rel=1e-6)
    assert head.afterwards.cap == pytest.approx(7, rel=1e-12)


class _Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self.elements = max(self.elements, leaf.numel())
        return made


@pytest.mark.parametrize("whole", [True, False])
def test_only_a_pass_of_whole_logits_makes_those_of_all_its_tokens(whole: bool) -> None:
    vocabulary = 50_000
    model = tiny_llama(vocabulary=vocabulary)
    base, adapters = HeldBase(model), Adapters(model, "tiny")
    ids = np.arange(60, dtype=np.int32)
    pack = Pack(base, adapters, [Example(ids, ids > 1)] * 8, 4)
    for index in range(2):
        pack.start(pack.add(f"t{index}", LoraParameters(lr=1e-3, rank=2, batch_size=4)), 1)
    if whole:
        base.head = None
    with _Largest() as largest:
        assert not pack.step().failed
    everything = 8 * 60 * vocabulary
    assert largest.elements == everything if whole else largest.elements < everything / 4
