"""Scores of continuations do not depend on how they are computed."""

from __future__ import annotations

from collections.abc import Sequence
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
    MistralConfig,
    MistralForCausalLM,
)

from tests.trainables.packed_rows import Packed, adapters
from tests.trainables.small import VOCABULARY, tiny_llama
from trainables.evaluation.inference.batching import Budget, Shape, batches_by_shape
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.evaluation.inference.prefixes import heads, shared_prefix
from trainables.evaluation.inference.targets import Continuation
from trainables.evaluation.outcomes import Score
from trainables.evaluation.questions.items import ChoiceItem
from trainables.evaluation.questions.questions import Questions
from trainables.evaluation.questions.skills import Skill
from trainables.settings import SkillConfig

Texts = list[list[int]]

token = st.integers(0, VOCABULARY - 1)
text = st.lists(token, min_size=1, max_size=7)
shape = st.builds(Shape, st.integers(1, 60), st.integers(0, 40))
RANKS = {"one": 2, "two": 5, "three": 1}
LLAMA = tiny_llama()
ADAPTERS = adapters(tiny_llama(), RANKS, std=0.5)


def random_texts(count: int, low: int, high: int, seed: int = 0) -> Texts:
    draw = np.random.default_rng(seed)
    return [draw.integers(0, VOCABULARY, size=int(n)).tolist() for n in draw.integers(low, high, size=count)]


def naive(model: Any, prompt: Sequence[int], continuation: Sequence[int]) -> Continuation:
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *continuation]])).logits[0, len(prompt) - 1 : -1]
    target = torch.tensor(continuation)
    values = logits.log_softmax(-1)[torch.arange(len(target)), target]
    greedy = bool((logits.argmax(-1) == target).all())
    return Continuation(float(values.sum()), greedy, float(values[:-1].sum()))


def assert_same(found: Sequence[Continuation], expected: Sequence[Continuation]) -> None:
    assert [one.value for one in found] == pytest.approx([one.value for one in expected], abs=1e-3)
    assert [one.body for one in found] == pytest.approx([one.body for one in expected], abs=1e-3)
    assert [one.greedy for one in found] == [one.greedy for one in expected]


def score(forward: Forward, prompts: Texts, texts: list[Texts], copies: int = 1, batch_size: int = 64) -> Any:
    with forward.evaluating():
        return score_continuations(forward, prompts, texts, copies=copies, pad_id=0, batch_size=batch_size)


@settings(max_examples=15, deadline=None)
@given(
    questions=st.lists(st.tuples(text, st.lists(text, max_size=4)), min_size=1, max_size=6),
    common=st.sampled_from([0, 3, 150]),
    batch_size=st.integers(1, 9),
    data=st.data(),
)
def test_batches_order_and_what_is_common_do_not_matter(
    questions: list[tuple[list[int], Texts]], common: int, batch_size: int, data: st.DataObject
) -> None:
    beginning = random_texts(1, common, common + 1)[0]
    questions = [(beginning + prompt, texts) for prompt, texts in questions]
    order = data.draw(st.permutations(range(len(questions))))
    mixed = [questions[place] for place in order]
    (found,) = score(Forward(LLAMA), [p for p, _ in mixed], [t for _, t in mixed], batch_size=batch_size)
    for (prompt, texts), own in zip(mixed, found, strict=True):
        assert_same(own, [naive(LLAMA, prompt, each) for each in texts])


def test_the_most_probable_continuation_is_called_greedy() -> None:
    prompt = [5, 6, 7]
    with torch.no_grad():
        ids = LLAMA.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=4, min_new_tokens=4)
    best = ids[0, 3:].tolist()
    other = [*best[:-1], (best[-1] + 1) % VOCABULARY]
    ((found,),) = score(Forward(LLAMA), [prompt], [[best, other, best[:1]]])
    assert [one.greedy for one in found] == [True, False, True]
    assert found[0].value > found[1].value


def test_nothing_to_score() -> None:
    assert score(Forward(LLAMA), [], [], copies=2) == [[], []]
    assert score(Forward(LLAMA), [[1, 2]], [[]]) == [[[]]]


def mistral() -> nn.Module:
    config = MistralConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=12,
    )  # fmt: skip
    return MistralForCausalLM(config)


def gpt2() -> nn.Module:
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64))


def bloom() -> nn.Module:
    return BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4))


@pytest.mark.parametrize(
    ("make", "branching"), [(mistral, [True, False]), (gpt2, [True, True]), (bloom, [False, False])]
)
def test_other_kinds_of_attention_give_the_same_with_branches_and_without(
    make: Any, branching: list[bool]
) -> None:
    torch.manual_seed(0)
    model = make().eval()
    forward = Forward(model)
    assert [forward.branching(length) for length in (12, 20)] == branching
    for longest in (6, 14):
        prompts = random_texts(7, 2, longest, seed=longest)
        texts = [random_texts(3, 1, 6, seed=number) for number in range(7)]
        (found,) = score(forward, prompts, texts, batch_size=4)
        for prompt, own, values in zip(prompts, texts, found, strict=True):
            assert_same(values, [naive(model, prompt, each) for each in own])


def test_models_in_bfloat16_are_masked_as_others_are() -> None:
    model = tiny_llama().to(torch.bfloat16)
    prompts, texts = random_texts(5, 2, 9), [random_texts(3, 1, 5, seed=number) for number in range(5)]
    (found,) = score(Forward(model), prompts, texts)
    for prompt, own, values in zip(prompts, texts, found, strict=True):
        expected = [naive(model.float(), prompt, each).value for each in own]
        assert [one.value for one in values] == pytest.approx(expected, rel=0.02)
        model.to(torch.bfloat16)


@pytest.mark.integration
@settings(max_examples=6, deadline=None)
@given(names=st.lists(st.sampled_from(list(RANKS)), min_size=1, max_size=4), batch_size=st.integers(4, 30))
def test_adapters_together_are_scored_as_each_alone(names: list[str], batch_size: int) -> None:
    prompts = random_texts(6, 2, 9)
    prompts = [*prompts, *([*range(70), *prompt] for prompt in prompts)]
    texts = [random_texts(1 + number % 4, 1, 6, seed=number) for number in range(12)]
    packed = Packed(ADAPTERS, names)
    found = score(Forward(packed, rows=packed.rows), prompts, texts, len(names), batch_size)
    assert all(len(set(counts)) == 1 and sum(counts) <= batch_size for counts in packed.counts)
    for name, own in zip(names, found, strict=True):
        ADAPTERS.set_adapter(name)
        (alone,) = score(Forward(ADAPTERS), prompts, texts)
        for values, expected in zip(own, alone, strict=True):
            assert_same(values, expected)
    values = {tuple(one.value for texts in own for one in texts) for own in found}
    assert len(values) >= len(set(names))


def test_what_prompts_begin_with_is_run_once_and_each_prompt_once() -> None:
    packed = Packed(ADAPTERS, ["one", "two"])
    shapes: list[tuple[int, ...]] = []
    packed.register_forward_pre_hook(
        lambda module, args, options: shapes.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    forward = Forward(packed, rows=packed.rows)
    prompts = [[*range(80), 5, number] for number in range(4)]
    score(forward, prompts, [[[1, 2], [3, 4, 5], [6]]] * 4, copies=2)
    assert shapes == [(2, 81), (2, 4 * (1 + 1 + 2))]


def test_within_a_row_what_several_texts_begin_with_stands_once() -> None:
    model = tiny_llama()
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda module, args, options: shapes.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    prompts = [[*range(10), 20, 21], [*range(10)], [*range(10), 20, 22], [*range(5), 30]]
    texts = [[[1, 2, 3], [1, 2, 4], [5, 6]], [[20, 9]], [[1, 2]], [[7], [8]]]
    (found,) = score(Forward(model), prompts, texts)
    # Of the first prompt's continuations the first two begin with the same two tokens.
    assert shapes == [(1, 12 + 2 + 1 + 0 + 2 + 1)]
    for prompt, own, values in zip(prompts, texts, found, strict=True):
        assert_same(values, [naive(LLAMA, prompt, each) for each in own])


def test_texts_that_do_not_branch_need_no_mask() -> None:
    model = tiny_llama()
    masked: list[bool] = []
    model.register_forward_pre_hook(
        lambda module, args, options: masked.append("attention_mask" in options), with_kwargs=True
    )
    for alone, longest in ((True, 43), (False, 43), (False, 90)):
        masked.clear()
        prompts = random_texts(9, 40, longest)
        texts = [[[5], [7]] if alone or number else [[5, 6], [7, 8]] for number in range(9)]
        (found,) = score(Forward(model), prompts, texts)
        assert set(masked) == {not alone}
        for prompt, own, values in zip(prompts, texts, found, strict=True):
            assert_same(values, [naive(LLAMA, prompt, each) for each in own])


def test_values_per_byte_do_not_depend_on_how_a_reply_ends() -> None:
    item = ChoiceItem("q", ("ab", "né"), 0)
    ended = [Continuation(-9.0, False, -6.0), Continuation(-7.0, False, -6.3)]
    endless = [found._replace(value=found.value - 50 * place) for place, found in enumerate(ended)]
    skill = Skill(SkillConfig(name="s", path="s.jsonl"), [item], [], [], [])
    for values, choice in ((ended, 1), (endless, 0)):
        scores = {way: [Score("s", way, True, True)] for way in ("likelihood", "likelihood_norm")}
        Questions(skill, range(1), scores).take_values(0, [values])
        found = {way: score.results[0] for way, (score,) in scores.items()}
        assert (found["likelihood"].prediction, found["likelihood_norm"].prediction) == (choice, 1)
        assert found["likelihood_norm"].values == pytest.approx([-3.0, -2.1])


@settings(max_examples=40, deadline=None)
@given(shapes=st.lists(shape, max_size=30), rows=st.integers(1, 8), overhead=st.integers(0, 200))
def test_batches_have_every_row_once_and_keep_within_the_budget(
    shapes: list[Shape], rows: int, overhead: int
) -> None:
    budget = Budget(rows, tokens=150, logits=90, overhead=overhead)
    batches = batches_by_shape(shapes, budget)
    assert sorted(index for batch in batches for index in batch) == [*range(len(shapes))]

    def size(batch: list[int]) -> int:
        return len(batch) * sum(max(shapes[index][part] for index in batch) for part in (0, 1))

    for batch in batches:
        logits = len(batch) * (1 + max(shapes[index].branches for index in batch))
        assert len(batch) == 1 or (len(batch) <= rows and size(batch) <= 150 and logits <= 90)
    alone = sum(sum(each) + overhead for each in shapes)
    assert sum(size(batch) + overhead for batch in batches) <= alone


def test_padding_is_avoided_where_a_pass_costs_little() -> None:
    shapes = [Shape(10, 2), Shape(50, 2)] * 3
    sizes = {
        overhead: len(batches_by_shape(shapes, Budget(8, None, 10**6, overhead))) for overhead in (1, 500)
    }
    assert sizes == {1: 2, 500: 1}


@settings(max_examples=40, deadline=None)
@given(
    prompts=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=60), max_size=12),
    blocks=st.lists(st.integers(0, 3), max_size=12),
    copies=st.integers(1, 3),
)
def test_heads_part_prompts_by_what_they_begin_with(prompts: Texts, blocks: list[int], copies: int) -> None:
    for place, block in enumerate(blocks[: len(prompts)]):
        prompts[place] = [*([7] * 30), *([10 + block] * 200), *prompts[place]]
    found = heads(prompts, copies)
    assert sorted(index for head in found for index in head.prompts) == [*range(len(prompts))]
    for head in found:
        own = [prompts[index] for index in head.prompts]
        assert all(each[: head.tokens] == own[0][: head.tokens] for each in own)
        assert all(len(each) > head.tokens for each in own)


def test_few_shot_prompts_of_two_tasks_get_a_head_each() -> None:
    first, second = random_texts(2, 300, 301)
    tasks = [[*first, number] for number in range(5)] + [[*second, number] for number in range(5)]
    found = sorted((head.tokens, sorted(head.prompts)) for head in heads(tasks, 1))
    assert found == [(300, [0, 1, 2, 3, 4]), (300, [5, 6, 7, 8, 9])]
    assert shared_prefix([[1, 2, 3], [1, 2]]) == 1
