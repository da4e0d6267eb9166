"""Sampled replies are drawn as they should be, and depend on their own place alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from tests.trainables.packed_rows import Packed
from tests.trainables.small import VOCABULARY
from tests.trainables.test_generate import (
    ADAPTERS,
    ENDS,
    LLAMA,
    MOST,
    RANKS,
    lfm2,
    mistral,
    prompt,
    talkative,
)
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.sampling import Sampler, in_nucleus, inverse, nucleus, sampled, uniforms
from trainables.settings import Decoding

SAMPLED = Decoding(method="sample", temperature=0.7, top_p=0.9, samples=2)


def replies(forward: Forward, prompts: Any, copies: int = 1, **options: Any) -> list[list[list[list[int]]]]:
    given: dict[str, Any] = {
        "ends": ENDS, "pad_id": 0, "max_new_tokens": MOST, "batch_size": 8, "decoding": SAMPLED, "seed": 3
    } | options  # fmt: skip
    with forward.evaluating():
        return sampled(forward, prompts, copies=copies, **given)


@settings(max_examples=5, deadline=None)
@given(
    prompts=st.lists(prompt, min_size=1, max_size=7),
    names=st.lists(st.sampled_from(list(RANKS)), min_size=1, max_size=3),
    batch_size=st.integers(1, 20),
    workers=st.integers(1, 3),
    seed=st.integers(0, 2**64 - 1),
)
def test_a_reply_depends_on_no_pack_batch_or_worker(
    prompts: list[list[int]], names: list[str], batch_size: int, workers: int, seed: int
) -> None:
    alone = []
    for name in names:
        ADAPTERS.set_adapter(name)
        alone.append(
            [
                replies(Forward(ADAPTERS), [own], places=[place], seed=seed)[0][0]
                for place, own in enumerate(prompts)
            ]
        )
    packed = Packed(ADAPTERS, names)
    forward = Forward(packed, rows=packed.rows)
    for rank in range(workers):
        places = range(rank, len(prompts), workers)
        together = replies(
            forward, [prompts[place] for place in places], len(names),
            batch_size=max(batch_size, len(names)), places=places, seed=seed,
        )  # fmt: skip
        assert together == [[adapter[place] for place in places] for adapter in alone]


@pytest.mark.parametrize("make", [mistral, lfm2])
def test_models_without_joinable_rows_give_the_same(make: Any) -> None:
    torch.manual_seed(0)
    model = talkative(make())
    prompts = [[n, n + 1, 5][: n % 3 + 1] for n in range(12)]
    alone = [replies(Forward(model), [own], places=[place])[0][0] for place, own in enumerate(prompts)]
    assert replies(Forward(model), prompts, batch_size=64) == [alone]
    assert len({tuple(reply) for pair in alone for reply in pair}) > 12


def test_greedy_decoding_is_greedy() -> None:
    prompts = [[n, 5] for n in range(6)]
    with Forward(LLAMA).evaluating():
        expected = generate(
            Forward(LLAMA), prompts, copies=1, ends=ENDS, pad_id=0, max_new_tokens=MOST, batch_size=8
        )
    assert replies(Forward(LLAMA), prompts, decoding=Decoding()) == [[[own] for own in expected[0]]]
    coldest = Decoding(method="sample", top_p=1e-9)
    assert replies(Forward(LLAMA), prompts, decoding=coldest) == [[[own] for own in expected[0]]]


def draw(logits: list[float], decoding: Decoding, count: int, first: int = 0) -> list[int]:
    """The tokens that are drawn at one position of `count` prompts."""
    sampler = Sampler(decoding, 11, [(place, 0) for place in range(count)])
    rows = torch.tensor(logits).expand(count, 1, -1)
    return [tokens[0] for tokens in sampler(rows, [(0, row) for row in range(count)], [first] * count)]


def by_definition(logits: list[float], decoding: Decoding) -> dict[int, float]:
    """The nucleus, and the probabilities within it."""
    exact = np.exp(np.array(logits) / decoding.temperature)
    exact /= exact.sum()
    kept: dict[int, float] = {}
    for token in sorted(range(len(exact)), key=lambda token: (-exact[token], token)):
        if sum(kept.values()) < decoding.top_p:
            kept[token] = float(exact[token])
    return {token: share / sum(kept.values()) for token, share in kept.items()}


@pytest.mark.parametrize("top_p", [1.0, 0.95, 0.6, 0.2])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_the_probabilities_of_the_nucleus(temperature: float, top_p: float) -> None:
    # The most probable come last, so that sampling from the wrong end would show.
    logits = [-1.0, 0.0, 0.3, 0.5, 0.5, 1.0, 1.7, 2.0]
    decoding = Decoding(method="sample", temperature=temperature, top_p=top_p)
    expected = by_definition(logits, decoding)
    count = 20_000
    tokens, counts = np.unique(draw(logits, decoding, count), return_counts=True)
    assert set(tokens.tolist()) == set(expected)
    if len(expected) > 1:
        wanted = [expected[token] * count for token in tokens.tolist()]
        assert stats.chisquare(counts, wanted).pvalue > 1e-4


@given(
    logits=st.lists(st.integers(-4, 4), min_size=1, max_size=12),
    top_p=st.floats(0.01, 1.0).filter(lambda p: p == 1 or p < 0.999),
)
def test_the_nucleus_is_the_smallest_set(logits: list[float], top_p: float) -> None:
    # In double precision, so that sums of a few equal shares fall on the same side of the bound.
    probabilities = torch.tensor([logits], dtype=torch.float64).softmax(-1)
    sizes = probabilities[0].sort(descending=True).values.cumsum(0)
    if ((sizes - top_p).abs() < 1e-9).any():
        return  # a matter of rounding
    expected = set(by_definition(logits, Decoding(method="sample", top_p=top_p)))
    tokens = torch.arange(len(logits))
    member = in_nucleus(probabilities.expand(len(logits), -1), tokens, top_p)
    assert {int(token) for token in tokens[member]} == expected
    kept, order = nucleus(probabilities, top_p)
    assert {int(token) for token in order[kept > 0]} == expected


def test_draws_differ_by_prompt_sample_position_and_seed_and_are_uniform() -> None:
    grid = np.meshgrid(*[np.arange(n) for n in (40, 5, 50)], indexing="ij")
    drawn = uniforms(5, *grid)
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert len(np.unique(drawn)) == drawn.size
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    for axis in range(3):  # neighbours are no more alike than any others
        last = drawn.shape[axis] - 1
        near, far = drawn.take(range(last), axis), drawn.take(range(1, last + 1), axis)
        assert abs(np.corrcoef(near.ravel(), far.ravel())[0, 1]) < 0.05
    assert not np.intersect1d(drawn, uniforms(6, *grid)).size
    assert draw([0.0] * 8, Decoding(method="sample"), 50) != draw([0.0] * 8, Decoding(method="sample"), 50, 1)


def test_half_precision_logits_and_wide_vocabularies_are_drawn_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows are divided for the sums."""
    torch.manual_seed(0)
    logits: Tensor = torch.randn(7, 3, VOCABULARY).bfloat16()
    sampler = Sampler(SAMPLED, 1, [(place, 0) for place in range(7)])
    owners, firsts = [(0, row) for row in range(7)], [*range(-3, 4)]
    whole = sampler(logits, owners, firsts)
    monkeypatch.setattr("trainables.evaluation.inference.sampling._AT_ONCE", VOCABULARY * 2)
    assert sampler(logits, owners, firsts) == whole
    assert sampler(logits.float(), owners, firsts) == whole


@given(
    size=st.sampled_from([1, 5, 255, 256, 257, 600]),
    seed=st.integers(0, 99),
    zeros=st.floats(0, 1),
    edge=st.sampled_from([None, 0.0, 1 - 2.0**-53]),
)
def test_the_inverse_is_that_of_the_sum_and_no_impossible_token(
    size: int, seed: int, zeros: float, edge: float | None
) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.random((4, size)) * (generator.random((4, size)) >= zeros)
    weights[:, generator.integers(size)] = 1.0
    uniform = generator.random(4) if edge is None else np.full(4, edge)
    chosen = inverse(torch.from_numpy(weights).float(), uniform)
    exact = weights.astype(np.float32).astype(np.float64).cumsum(-1)
    for row, token in enumerate(chosen.tolist()):
        assert weights[row, token] > 0
        near = 1e-5 * exact[row, -1]
        assert exact[row, token] >= uniform[row] * exact[row, -1] - near
        assert exact[row, token] - weights[row, token] <= uniform[row] * exact[row, -1] + near
