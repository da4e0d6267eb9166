"""Drafts change no reply, and spare passes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MptConfig,
    MptForCausalLM,
)

from tests.trainables.packed_rows import Packed, adapters
from tests.trainables.small import VOCABULARY, tiny_llama
from tests.trainables.test_evaluation_packed import character_tokenizer
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.settings import CapabilityConfig, SkillConfig

Texts = list[list[int]]

ENDS = {1, *range(3, VOCABULARY, 9)}  # so many that a random model's replies do end
MOST = 7
LONGEST = 9
BEGINNING = 14
RANKS = {"one": 2, "two": 5, "three": 1}
ADAPTERS = adapters(tiny_llama(), RANKS, std=0.5).eval()


def talkative(model: Any) -> Any:
    """With an output head of its own: where it is the embedding, random models repeat the last token."""
    torch.manual_seed(0)
    model.lm_head = nn.Linear(32, VOCABULARY, bias=False)
    return model.eval().requires_grad_(False)


LLAMA = talkative(tiny_llama())

token = st.integers(0, VOCABULARY - 1)
prompt = st.lists(token, min_size=1, max_size=LONGEST)


def naive(model: Any, prompt: Sequence[int], most: int = MOST) -> list[int]:
    """Token by token, without a cache."""
    reply: list[int] = []
    while len(reply) < most:
        with torch.no_grad():
            best = int(model(torch.tensor([[*prompt, *reply]])).logits[0, -1].argmax())
        if best in ENDS:
            break
        reply.append(best)
    return reply


def generated(forward: Forward, prompts: Texts, copies: int = 1, **options: Any) -> list[Texts]:
    given: dict[str, Any] = {"ends": ENDS, "pad_id": 0, "max_new_tokens": MOST, "batch_size": 8} | options
    with forward.evaluating():
        return generate(forward, prompts, copies=copies, **given)


def near(reply: list[int], kind: str, other: list[int], place: int) -> list[int]:
    """A draft that is a reply, or like it, or not at all."""
    place = place % (len(reply) + 1)
    changed = (
        [*reply[:place], (reply[place] + 1) % VOCABULARY, *reply[place + 1 :]] if place < len(reply) else []
    )
    return {
        "right": reply,
        "none": [],
        "short": reply[:place],
        "long": [*reply, *other, *other, *other],
        "changed": changed,
        "left out": [*reply[:place], *reply[place + 1 :]],
        "other": other,
    }[kind]


KINDS = ["right", "none", "short", "long", "changed", "left out", "other"]
draft = st.tuples(st.sampled_from(KINDS), prompt, st.integers(0, MOST))


@contextmanager
def passes(model: nn.Module) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of the passes within the context."""
    shapes: list[tuple[int, ...]] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, options: shapes.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    yield shapes
    hook.remove()


@settings(max_examples=5, deadline=None)
@given(
    asked=st.lists(st.tuples(prompt, draft), min_size=1, max_size=9),
    names=st.lists(st.sampled_from(list(RANKS)), min_size=1, max_size=3),
    batch_size=st.integers(1, 20),
    most=st.integers(1, MOST),
    common=st.sampled_from([0, 0, 70]),
)
def test_replies_are_those_of_each_prompt_alone(
    asked: list[tuple[list[int], tuple[str, list[int], int]]],
    names: list[str],
    batch_size: int,
    most: int,
    common: int,
) -> None:
    prompts = [[*range(common), *own] for own, _ in asked]
    expected = []
    for name in names:
        ADAPTERS.set_adapter(name)
        expected.append([naive(ADAPTERS, own, most) for own in prompts])
    drafts = [
        near(expected[-1][place], kind, other, at) for place, (_, (kind, other, at)) in enumerate(asked)
    ]
    packed = Packed(ADAPTERS, names)
    forward = Forward(packed, rows=packed.rows)
    options = {"batch_size": max(batch_size, len(names)), "max_new_tokens": most}
    assert generated(forward, prompts, len(names), drafts=drafts, **options) == expected
    assert generated(forward, prompts, len(names), **options) == expected


def bloom() -> Any:
    return BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4))


def gpt2() -> Any:
    """With no position to spare behind a common beginning."""
    places = BEGINNING + LONGEST + MOST
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=places)
    return GPT2LMHeadModel(config)


def mistral() -> Any:
    """With a window, so that drafts cannot be taken back."""
    config = MistralConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=6,
    )  # fmt: skip
    return MistralForCausalLM(config)


def mpt() -> Any:
    """Tells distance by column."""
    return MptForCausalLM(MptConfig(vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=4, max_seq_len=64))


def lfm2() -> Any:
    """With states from which no row can be taken out."""
    config = Lfm2Config(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, layer_types=["conv", "full_attention"],
    )  # fmt: skip
    return Lfm2ForCausalLM(config)


@pytest.mark.parametrize("beginning", [0, BEGINNING])
@pytest.mark.parametrize("make", [bloom, gpt2, mistral, mpt, lfm2])
def test_other_kinds_of_attention_and_position_give_the_same(make: Any, beginning: int) -> None:
    torch.manual_seed(0)
    model = talkative(make())
    draw = np.random.default_rng(0)
    common = draw.integers(0, VOCABULARY, size=beginning).tolist()
    lengths = draw.integers(1, LONGEST + 1, size=21)
    prompts = [common + draw.integers(0, VOCABULARY, size=n).tolist() for n in lengths]
    expected = [naive(model, own) for own in prompts]
    assert len({len(reply) for reply in expected}) > 3
    drafts = [near(reply, KINDS[n % 7], prompts[n - 1], n % 4) for n, reply in enumerate(expected)]
    for batch_size in (1, 6, 64):
        assert generated(Forward(model), prompts, batch_size=batch_size, drafts=drafts) == [expected]


def test_a_reply_as_drafted_takes_one_pass_even_if_it_is_empty() -> None:
    prompts = [[first, second] for first in range(40, 60) for second in (5, 70)]
    expected = [naive(LLAMA, own) for own in prompts]
    assert {0, MOST} <= {len(reply) for reply in expected}
    for count in (1, 40):
        with passes(LLAMA) as shapes:
            found = generated(Forward(LLAMA), prompts[:count], batch_size=80, drafts=expected[:count])
        assert found == [expected[:count]]
        assert len(shapes) == 1
    # The last token of the longest reply is no input.
    assert shapes == [(40, 2 + MOST - 1)]


def test_after_one_wrong_token_the_rest_of_the_draft_is_tried() -> None:
    start = next([n, 5] for n in range(40, 90) if len(naive(LLAMA, [n, 5])) == MOST)
    reply = naive(LLAMA, start)
    wrong = [*reply[:2], (reply[2] + 1) % VOCABULARY, *reply[3:]]
    with passes(LLAMA) as shapes:
        assert generated(Forward(LLAMA), [start], drafts=[wrong]) == [[reply]]
    assert shapes == [(1, 2 + MOST - 1), (1, MOST - 3)]


def test_where_drafts_are_wrong_there_are_no_more() -> None:
    prompts = [[n, 5, 6] for n in range(40)]
    expected = [naive(LLAMA, own) for own in prompts]
    wrong = [[(reply[0] + 1) % VOCABULARY if reply else 2] * 3 for reply in expected]
    half = [own[place % 2] for place, own in enumerate(zip(expected, wrong, strict=True))]
    # The prompts come in two batches, those with the longest drafts first.
    for drafts, widths in ((wrong, [6, 3]), (half, [9, 6])):
        with passes(LLAMA) as shapes:
            assert generated(Forward(LLAMA), prompts, batch_size=40, drafts=drafts) == [expected]
        assert [width for rows, width in shapes if rows == 20 and width in (3, 6, 9)][:2] == widths


def test_a_reply_that_ends_for_another_reason_ends_within_its_draft() -> None:
    prompts = [[n, 5] for n in range(30)]
    expected = [naive(LLAMA, own) for own in prompts]

    def ended(ids: list[int]) -> bool:
        return len(ids) == 3

    found = generated(Forward(LLAMA), prompts, drafts=expected, ended=ended)
    assert found == [[reply[:3] for reply in expected]]


def test_a_common_beginning_is_run_once_for_all_batches() -> None:
    draw = np.random.default_rng(0)
    common, more = (draw.integers(4, VOCABULARY, size=length).tolist() for length in (30, 60))
    prompts = [[*common, 5, place] for place in range(12)] + [[*common, *more, place] for place in range(8)]
    with passes(LLAMA) as shapes:
        replies = generated(Forward(LLAMA), prompts)[0]
    # Those that have more in common go on from there.
    assert [width for rows, width in shapes if rows == 1 and width > 1] == [30, 60, 60]
    assert replies == [naive(LLAMA, each) for each in prompts]


@pytest.mark.parametrize("drafted", [False, True])
def test_the_head_gets_rows_that_one_product_takes(drafted: bool) -> None:
    """Where rows lie apart in memory, torch multiplies them one by one if the weights are frozen."""
    seen: list[torch.Tensor] = []
    hook = LLAMA.lm_head.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    prompts = [[n, 5, 7] for n in range(8)]
    generated(Forward(LLAMA), prompts, drafts=[[3, 4]] * 8 if drafted else None)
    hook.remove()
    assert max(map(len, seen)) > 1
    assert all(hidden.is_contiguous() for hidden in seen)


@pytest.mark.integration
def test_the_base_model_drafts_for_adapters_and_measures_as_before(tmp_path: Path) -> None:
    items = [{"question": f"{n}+{7 * n}=? ", "answer": "x"} for n in range(12)]
    for name in ("often", "late"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    skills = (
        SkillConfig(name="often", path=f"{tmp_path}/often.jsonl"),
        SkillConfig(name="late", path=f"{tmp_path}/late.jsonl", at="last"),
    )
    capability = CapabilityConfig(skills=skills, max_new_tokens=MOST)
    model = adapters(tiny_llama(), RANKS, std=0.05).eval()

    def evaluator() -> Evaluator:
        return Evaluator(model, character_tokenizer(), capability, [], 0)

    plain, drafted = evaluator(), evaluator()
    with model.disable_adapter():
        drafted.take_base()
        assert drafted.measure().outcomes.scores == plain.measure().outcomes.scores
    for name in RANKS:
        model.set_adapter(name)
        assert drafted.measure().outcomes.scores == plain.measure().outcomes.scores
    with model.disable_adapter():
        counts = []
        for one in (plain, drafted):
            with passes(model) as shapes:
                one.outcomes(moment="rung")
            counts.append(len(shapes))
    assert counts == [MOST, 1]
