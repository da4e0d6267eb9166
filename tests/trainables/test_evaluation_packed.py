"""Adapters evaluated together are measured as each is alone."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from torch import nn
from transformers import PreTrainedTokenizerFast

from tests.trainables.packed_rows import Packed
from tests.trainables.small import VOCABULARY, random_examples, tiny_llama
from trainables.data.examples import Example
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.inference.batching import batches_by_length
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.measurement import combine
from trainables.evaluation.outcomes import UNPARSEABLE, Outcomes
from trainables.settings import CapabilityConfig, SkillConfig

pytestmark = pytest.mark.integration

RANKS = {"one": 2, "two": 8, "three": 4, "four": 1}
ENDS = [1, *range(3, VOCABULARY, 6)]  # so many that a random model's replies do end


def character_tokenizer() -> PreTrainedTokenizerFast:
    """One token per character, as many as the tiny model has."""
    characters = ["<pad>", "<end>", "\n", *map(chr, range(32, 32 + VOCABULARY - 3))]
    tokenizer = Tokenizer(WordLevel({text: number for number, text in enumerate(characters)}, "?"))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


def tiny_adapters() -> PeftModel:
    """Adapters of different ranks on one tiny model, each of which says something else."""
    base = tiny_llama()
    base.generation_config.eos_token_id = ENDS
    first, *rest = RANKS
    model = get_peft_model(base, lora(RANKS[first]), adapter_name=first)
    for name in rest:
        model.add_adapter(name, lora(RANKS[name]))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.5)
    return model


def lora(rank: int) -> LoraConfig:
    return LoraConfig(r=rank, lora_dropout=0.3, target_modules="all-linear", init_lora_weights=True)


@pytest.fixture(scope="module")
def model() -> PeftModel:
    return tiny_adapters()


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return character_tokenizer()


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory) -> tuple[SkillConfig, ...]:
    """Items of all lengths: options of 1 to 9 tokens, 2 to 5 of them."""
    folder = tmp_path_factory.mktemp("skills")
    words = ["a", "bc", "deepest", "x y z", "Q", "0123456", "end"]
    texts = ["Go.", "What is it called?", "Name it!", "Of all these, which?"]
    choice = [
        {"question": f"{texts[n % 4]}{n}", "options": words[n % 3 : n % 3 + 2 + n % 4], "answer": n % 2}
        for n in range(11)
    ]
    few = [{"question": f"Which, {n}?", "options": words[n:], "answer": 0} for n in range(3)]
    opened = [{"question": f"{n}+{7 * n}=?", "answer": "x"} for n in range(6)]
    for name, items in (("choice", choice), ("few", few), ("open", opened)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return (
        SkillConfig(name="choice", path=f"{folder}/choice.jsonl", scoring=("generation", "likelihood")),
        SkillConfig(name="open", path=f"{folder}/open.jsonl"),
        SkillConfig(name="few", path=f"{folder}/few.jsonl", scoring=("likelihood",)),
    )


def examples() -> list[Example]:
    """Texts, and completions whose first half is no target."""
    return [
        Example(
            example.input_ids,
            np.arange(len(example.input_ids)) >= (len(example.input_ids) // 2 if n % 3 else 1),
        )
        for n, example in enumerate(random_examples(9, seed=2))
    ]


def assert_same(found: Outcomes, expected: Outcomes) -> None:
    assert found.scores == expected.scores
    assert replace(found.heldout, sums=[]) == replace(expected.heldout, sums=[])
    assert found.heldout.sums == pytest.approx(expected.heldout.sums, rel=1e-5)
    assert found.seconds.keys() == expected.seconds.keys()


@settings(max_examples=4, deadline=None, derandomize=True)
@given(
    names=st.lists(st.sampled_from(list(RANKS)), min_size=1, max_size=5),
    batch_size=st.integers(2, 40),
    max_new_tokens=st.integers(1, 7),
    world=st.integers(1, 2),
)
def test_together_equals_each_alone(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerFast,
    skills: tuple[SkillConfig, ...],
    names: list[str],
    batch_size: int,
    max_new_tokens: int,
    world: int,
) -> None:
    def evaluator(runner: nn.Module, batch: int, **options: Any) -> Evaluator:
        capability = CapabilityConfig(skills=skills, batch_size=batch, max_new_tokens=max_new_tokens)
        return Evaluator(runner, tokenizer, capability, examples(), seed=0, **options)

    packed = Packed(model, names)
    together, alone = evaluator(packed, batch_size, rows=packed.rows), evaluator(model, 64)
    for rank in range(world):
        found = together.outcomes((rank, world), len(names))
        assert max(map(sum, packed.counts)) <= max(batch_size, len(names))
        expected = {}
        for name, outcomes in zip(names, found, strict=True):
            if name not in expected:
                model.set_adapter(name)
                expected[name] = alone.outcomes((rank, world))[0]
            assert_same(outcomes, expected[name])


def test_adapters_differ_and_their_rows_end_at_different_times(
    model: PeftModel, tokenizer: PreTrainedTokenizerFast, skills: tuple[SkillConfig, ...]
) -> None:
    packed = Packed(model, list(RANKS))
    capability = CapabilityConfig(skills=skills, batch_size=16, max_new_tokens=8)
    found = Evaluator(packed, tokenizer, capability, examples(), seed=0, rows=packed.rows).outcomes(copies=4)
    assert len({tuple(outcomes.heldout.sums) for outcomes in found}) == 4
    assert len({tuple(result.reply for result in outcomes.scores[0].results) for outcomes in found}) == 4
    assert any(len(set(counts)) > 1 for counts in packed.counts)
    assert any(0 in counts for counts in packed.counts)
    assert max(map(sum, packed.counts)) == 16
    assert found[0].seconds == found[1].seconds


def test_an_adapter_that_has_diverged_leaves_the_others_as_they_are(
    tokenizer: PreTrainedTokenizerFast, skills: tuple[SkillConfig, ...]
) -> None:
    broken = tiny_adapters()
    names = ["one", "two", "three"]
    capability = CapabilityConfig(skills=skills, batch_size=9, max_new_tokens=4)

    def outcomes() -> list[Outcomes]:
        packed = Packed(broken, names)
        return Evaluator(packed, tokenizer, capability, examples(), 0, rows=packed.rows).outcomes(copies=3)

    before = outcomes()
    for name, parameter in broken.named_parameters():
        if ".two." in name and "lora_B" in name:
            parameter.data.fill_(float("nan"))
    after = outcomes()
    assert_same(after[0], before[0])
    assert_same(after[2], before[2])
    assert np.isnan(after[1].heldout.sums).all()
    assert {result.prediction for result in after[1].scores[1].results} == {UNPARSEABLE}


def test_prompts_take_the_place_of_rows_that_have_ended(model: PeftModel) -> None:
    packed = Packed(model, list(RANKS))
    forward = Forward(packed, rows=packed.rows)
    draw = np.random.default_rng(0)
    prompts = [draw.integers(4, VOCABULARY, size=n).tolist() for n in draw.integers(2, 9, size=24)]
    options: dict[str, Any] = {"ends": set(ENDS), "pad_id": 0, "max_new_tokens": 12}
    with forward.evaluating():
        together = generate(forward, prompts, copies=4, batch_size=16, **options)
        passes = len(packed.counts)
        # Prompts come in halves of a batch, and every pass has those of all adapters.
        assert 8 < max(map(sum, packed.counts)) <= 16
        assert max(len(reply) for replies in together for reply in replies) == 12
        packed.counts.clear()
        for batch in batches_by_length([len(prompt) for prompt in prompts], 4):
            own = generate(forward, [prompts[index] for index in batch], copies=4, batch_size=32, **options)
            assert own == [[replies[index] for index in batch] for replies in together]
        # Batches that end before the next begins need more passes.
        assert passes < len(packed.counts)


def test_a_long_common_beginning_is_run_once_for_each_adapter(model: PeftModel) -> None:
    packed = Packed(model, ["one", "two"])
    forward = Forward(packed, rows=packed.rows)
    common = np.random.default_rng(0).integers(4, VOCABULARY, size=40).tolist()
    prompts = [[*common, 5, 6], [*common, 7], [*common, 8, 9, 10]]
    with forward.evaluating():
        found, _ = forward.prefill(prompts, 2, 0)
        assert packed.counts == [[1, 1], [3, 3]]
        alone = [forward.prefill([prompt], 2, 0)[0] for prompt in prompts]
    torch.testing.assert_close(found.view(2, 3, 1, -1), torch.stack(alone, dim=1), rtol=1e-4, atol=1e-5)


def test_workers_that_wait_announce_a_layout(
    tokenizer: PreTrainedTokenizerFast, skills: tuple[SkillConfig, ...]
) -> None:
    barrier, busy, names = threading.Barrier(2, timeout=60), [False, False], ["four", "two", "three"]
    capability = CapabilityConfig(skills=skills, batch_size=12, max_new_tokens=6)
    models = [Packed(tiny_adapters(), names) for _ in range(2)]
    results: dict[int, list[Outcomes]] = {}

    def work(rank: int) -> None:
        def any_working(working: bool) -> bool:
            busy[rank] = working
            barrier.wait()
            anyone = any(busy)
            barrier.wait()
            return anyone

        own = models[rank]
        evaluator = Evaluator(own, tokenizer, capability, examples()[:1], 0, any_working, own.rows)
        results[rank] = evaluator.outcomes((rank, 2), len(names))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models[0].counts) == len(models[1].counts)
    assert [1, 0, 0] in [*models[0].counts, *models[1].counts]
    whole = Evaluator(models[0], tokenizer, capability, examples()[:1], 0, rows=models[0].rows)
    for adapter, outcomes in enumerate(whole.outcomes(copies=3)):
        merged = combine([results[0][adapter], results[1][adapter]]).outcomes
        assert merged.scores == combine([outcomes]).outcomes.scores
        assert merged.heldout.sums == pytest.approx(combine([outcomes]).outcomes.heldout.sums, rel=1e-5)
