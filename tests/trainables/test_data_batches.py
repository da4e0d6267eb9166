"""Order of training, batches and the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.data.batches import IGNORED, DataOrder, collate, token_losses
from trainables.data.examples import Example, TokenisedData

SEEDS = st.integers(0, 2**63 - 1)


@given(SEEDS, st.integers(1, 40), st.integers(1, 60), st.integers(1, 4))
def test_every_epoch_visits_each_example_once(seed: int, examples: int, batch_size: int, epochs: int) -> None:
    order = DataOrder(seed, examples, batch_size)
    steps = -(-epochs * examples // batch_size)
    visited = np.concatenate([order.batch(step) for step in range(steps)])
    assert len(visited) == steps * batch_size
    for epoch in range(epochs):
        assert sorted(visited[epoch * examples : (epoch + 1) * examples]) == list(range(examples))


@given(SEEDS, st.integers(1, 40), st.integers(1, 60), st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_a_batch_depends_on_nothing_but_the_step(
    seed: int, examples: int, batch_size: int, steps: list[int]
) -> None:
    order = DataOrder(seed, examples, batch_size)
    for step in steps:
        np.testing.assert_array_equal(order.batch(step), DataOrder(seed, examples, batch_size).batch(step))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first = DataOrder(0, 100, 100)
    assert first.batch(0).tolist() != first.batch(1).tolist()
    assert first.batch(0).tolist() != DataOrder(1, 100, 100).batch(0).tolist()


def test_the_order_is_the_same_on_every_machine() -> None:
    assert DataOrder(7, 10, 10).batch(0).tolist() == [6, 3, 4, 9, 0, 2, 8, 7, 5, 1]


@pytest.mark.parametrize(("examples", "batch_size"), [(0, 1), (1, 0)])
def test_nothing_to_order_is_refused(examples: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        DataOrder(0, examples, batch_size)


def example(ids: list[int], targets: list[bool]) -> Example:
    return Example(np.array(ids, dtype=np.int32), np.array(targets))


def test_collate_pads_on_the_right_and_masks_the_loss() -> None:
    batch = collate([example([5, 6, 7], [False, False, True]), example([8, 0], [False, True])], pad_id=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 7], [IGNORED, 0, IGNORED]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=6), min_size=1, max_size=4
    ),
    st.integers(0, 1000),
)
def test_loss_is_the_sum_over_targets_one_by_one(rows: list[list[tuple[int, bool]]], seed: int) -> None:
    examples = [example([token for token, _ in row], [target for _, target in row]) for row in rows]
    batch = collate(examples, pad_id=0)
    logits = torch.randn((*batch["labels"].shape, 10), generator=torch.Generator().manual_seed(seed))
    expected, count = 0.0, 0
    for row, item in enumerate(examples):
        for place in range(1, len(item.input_ids)):
            if item.loss_mask[place]:
                expected -= float(logits[row, place - 1].log_softmax(-1)[int(item.input_ids[place])])
                count += 1
    assert count == sum(item.targets for item in examples)
    assert token_losses(logits, batch["labels"]).sum(-1).sum() == pytest.approx(expected, abs=1e-4)


def test_loss_of_bfloat16_logits_is_in_fp32_and_has_a_gradient() -> None:
    logits = torch.randn(1, 4, 9, dtype=torch.bfloat16, requires_grad=True)
    total = token_losses(logits, torch.tensor([[1, 2, 3, 4]])).sum()
    assert total.dtype == torch.float32
    (gradient,) = torch.autograd.grad(total, logits)
    assert gradient[0, :3].abs().sum() > 0


def test_the_fingerprint_sees_ids_masks_and_their_bounds() -> None:
    variants = [
        [example([1, 2, 3, 4], [False, True, True, True])],
        [example([1, 2, 3, 4], [False, True, True, False])],
        [example([1, 2, 3, 5], [False, True, True, True])],
        [example([1, 2], [False, True]), example([3, 4], [True, True])],
    ]
    assert len({TokenisedData.of(examples).fingerprint for examples in variants}) == len(variants)
    assert TokenisedData.of(variants[0]).fingerprint == TokenisedData.of(list(variants[0])).fingerprint
