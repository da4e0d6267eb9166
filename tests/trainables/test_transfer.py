"""Tensors that travel together arrive as they were."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.lora import transfer

kinds = st.sampled_from([torch.int64, torch.float32, torch.float64, torch.bool, torch.bfloat16])
shapes = st.lists(st.integers(0, 5), max_size=3)


@given(st.lists(st.tuples(kinds, shapes), max_size=6), st.booleans())
def test_all_types_and_shapes_arrive(wanted: list[tuple[torch.dtype, list[int]]], turned: bool) -> None:
    tensors = [(100 * torch.randn(shape)).to(kind) for kind, shape in wanted]
    if turned:  # not contiguous
        tensors = [tensor.transpose(0, -1) if tensor.dim() > 1 else tensor for tensor in tensors]
    arrived = transfer._as_one(tensors, torch.device("cpu"), pinned=False)
    assert [each.dtype for each in arrived] == [each.dtype for each in tensors]
    for sent, got in zip(tensors, arrived, strict=True):
        assert torch.equal(sent, got)
        if got.numel():
            assert got.data_ptr() % got.element_size() == 0
