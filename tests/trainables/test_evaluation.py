"""Evaluation of the embedded model and of adapters on it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from trainables.data.asking import Asking
from trainables.data.batches import collate, token_losses
from trainables.data.encode import plain_ids
from trainables.data.examples import Example
from trainables.errors import UserError
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.evaluation.intervals import wilson
from trainables.evaluation.measurement import combine
from trainables.evaluation.outcomes import UNPARSEABLE, Outcomes
from trainables.evaluation.questions.items import choice_prompt
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.settings import CapabilityConfig, ModelConfig, SkillConfig

pytestmark = pytest.mark.integration

CONFIG = ModelConfig(name="embedded", source="embedded")
WORDS = ["red", "a green field", "blue", "12", "north of the old harbour", "x", "seventeen ships", "yes"]
TEXTS = [
    "Count the ships.",
    "What is 12+7?",
    "Put tito in brackets, then say it twice.",
    "Go.",
    "Name it now.",
]


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    return load_base(resolve(CONFIG), CONFIG, "cpu")


@pytest.fixture
def forward(base: tuple[Any, Any]) -> Iterator[Forward]:
    runner = Forward(base[0])
    with runner.evaluating():
        yield runner


@pytest.fixture
def capability(tmp_path: Path) -> CapabilityConfig:
    choice = [
        {"question": f"{TEXTS[n % 5]} ({n})", "options": WORDS[n % 3 : n % 3 + 2 + n % 4], "answer": n % 2}
        for n in range(13)
    ]
    opened = [{"question": f"{n}+{n}=?", "answer": str(2 * n)} for n in range(7)]
    for name, items in (("choice", choice), ("open", opened)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    skills = (
        SkillConfig(name="choice", path=f"{tmp_path}/choice.jsonl", scoring=("generation", "likelihood")),
        SkillConfig(name="open", path=f"{tmp_path}/open.jsonl"),
    )
    return CapabilityConfig(skills=skills, batch_size=4, max_new_tokens=6)


def random_examples(count: int) -> list[Example]:
    generator = np.random.Generator(np.random.PCG64(1))
    lengths = generator.integers(2, 20, size=count)
    ids = [generator.integers(4, 1000, size=length, dtype=np.int32) for length in lengths]
    return [Example(row, np.arange(len(row)) > 0) for row in ids]


def adapted(model: nn.Module) -> nn.Module:
    """A model with an adapter that does something."""
    torch.manual_seed(0)
    wrapped: nn.Module = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.5))
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.05)
    return wrapped


def test_batched_generation_equals_one_by_one(base: tuple[Any, Any], forward: Forward) -> None:
    model, tokenizer = base
    asking = Asking(tokenizer)
    prompts = [asking.prompt(choice_prompt(text, WORDS[:count])) for text in TEXTS for count in (2, 5)]
    prompts += [
        Asking(tokenizer).prompt(f"Here is what to do, and nothing else: {text}") for text in TEXTS * 2
    ]
    prompts += [plain_ids(tokenizer, "Dawn watch.")]
    options: dict[str, Any] = {"ends": {tokenizer.eos_token_id}, "pad_id": 0, "max_new_tokens": 10}
    batched = generate(forward, prompts, copies=1, batch_size=6, **options)[0]
    alone = [generate(forward, [prompt], copies=1, batch_size=1, **options)[0][0] for prompt in prompts]
    assert batched == alone
    for prompt, reply in zip(prompts, batched, strict=True):
        generated = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=10)
        expected = generated[0, len(prompt) :].tolist()
        assert reply == [token for token in expected if token != tokenizer.eos_token_id]
    assert len({len(reply) for reply in batched}) > 1


@pytest.mark.parametrize("preface", ["", "Answer from memory, shortly and without any doubt: "])
def test_likelihood_equals_scoring_each_option_alone(
    base: tuple[Any, Any], forward: Forward, preface: str
) -> None:
    model, tokenizer = base
    prompts = [Asking(tokenizer).prompt(preface + text) for text in [*TEXTS, TEXTS[0]]]
    options = [[plain_ids(tokenizer, word) for word in WORDS[: 2 + row]] for row in range(len(prompts))]
    (scored,) = score_continuations(forward, prompts, options, copies=1, pad_id=0, batch_size=8)
    found = [[one.value for one in own] for own in scored]
    for prompt, texts, values in zip(prompts, options, found, strict=True):
        assert len(values) == len(texts)
        for text, value in zip(texts, values, strict=True):
            log_probabilities = model(torch.tensor([prompt + text])).logits[0].log_softmax(-1)
            places = range(len(prompt) - 1, len(prompt) + len(text) - 1)
            naive = [
                float(log_probabilities[place, token]) for place, token in zip(places, text, strict=True)
            ]
            assert value == pytest.approx(sum(naive), abs=1e-3)


def test_heldout_loss_is_the_mean_over_all_tokens(
    base: tuple[Any, Any], capability: CapabilityConfig
) -> None:
    model, tokenizer = base
    examples = random_examples(11)
    measurement = Evaluator(model, tokenizer, capability, examples, seed=0).measure()
    parts = []
    with torch.no_grad():
        for example in examples:
            batch = collate([example], pad_id=0)
            losses = token_losses(model(input_ids=batch["input_ids"]).logits, batch["labels"])
            parts.append((float(losses.sum()), example.targets))
    expected = sum(total for total, _ in parts) / sum(count for _, count in parts)
    assert measurement.metrics["heldout_loss"] == pytest.approx(expected, rel=1e-5)
    low, high, n = measurement.intervals["heldout_loss"]
    assert low < expected < high
    assert n == 11


def test_metrics_are_what_the_outcomes_say(base: tuple[Any, Any], capability: CapabilityConfig) -> None:
    measurement = Evaluator(*base, capability, random_examples(3), seed=0).measure()
    metrics = measurement.metrics
    generation, likelihood, normalised, opened = measurement.outcomes.scores
    assert [one.scoring for one in measurement.outcomes.scores] == [
        "generation",
        "likelihood",
        "likelihood_norm",
        "generation",
    ]
    assert metrics["choice_generation"] == generation.right / 13
    unread = sum(result.prediction == UNPARSEABLE for result in generation.results)
    assert metrics["choice_unparseable"] + metrics["choice_leaking"] == pytest.approx(unread / 13)
    assert metrics["choice_likelihood"] == likelihood.right / 13
    assert metrics["choice_likelihood_norm"] == normalised.right / 13
    assert metrics["capability"] == pytest.approx(
        (metrics["choice_generation"] + metrics["open_generation"]) / 2
    )
    assert measurement.intervals["open_generation"] == wilson(opened.right, 7)
    assert len(generation.results) == 13
    assert measurement.items["choice"] == generation.bits("correct")
    assert measurement.items["degenerate"] == generation.bits("degenerate") + opened.bits("degenerate")
    assert metrics["degenerate"] == measurement.items["degenerate"].count("1") / 20
    for result in likelihood.results:
        assert result.correct == (result.prediction == result.item % 2)
        assert result.prediction == result.values.index(max(result.values))


def test_shares_of_the_items_combine_to_the_whole(
    base: tuple[Any, Any], capability: CapabilityConfig
) -> None:
    evaluator = Evaluator(*base, capability, random_examples(5), seed=0)
    whole = evaluator.measure()
    shares = [Outcomes.from_bytes(evaluator.outcomes((rank, 9))[0].to_bytes()) for rank in range(9)]
    together = combine(shares[::-1])
    assert together.outcomes.scores == whole.outcomes.scores
    assert together.metrics == pytest.approx(whole.metrics, rel=1e-5)
    assert together.intervals.keys() == whole.intervals.keys()
    assert together.seconds.keys() == whole.seconds.keys()


def test_the_active_adapter_is_evaluated_and_nothing_is_changed(capability: CapabilityConfig) -> None:
    model, tokenizer = load_base(resolve(CONFIG), CONFIG, "cpu")
    examples = random_examples(6)
    before = Evaluator(model, tokenizer, capability, examples, seed=0).measure()
    wrapped = adapted(model)
    evaluator = Evaluator(wrapped, tokenizer, capability, examples, seed=0)
    wrapped.train()
    model.lm_head.eval()
    modes = [module.training for module in wrapped.modules()]
    state = {name: value.clone() for name, value in wrapped.state_dict().items()}
    random_state = torch.get_rng_state()
    first, second = evaluator.measure(), evaluator.measure()
    assert [module.training for module in wrapped.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, state[name]) for name, value in wrapped.state_dict().items())
    assert all(parameter.grad is None for parameter in wrapped.parameters())
    assert torch.is_grad_enabled()
    assert first.outcomes.heldout.sums == second.outcomes.heldout.sums  # dropout was off
    assert first.metrics["heldout_loss"] != pytest.approx(before.metrics["heldout_loss"], abs=1e-3)
    wrapped.eval()
    with wrapped.disable_adapter():  # type: ignore[operator]
        assert evaluator.measure().outcomes.heldout.sums == pytest.approx(
            before.outcomes.heldout.sums, rel=1e-5
        )


def test_a_diverged_model_is_measured_without_crashing(capability: CapabilityConfig) -> None:
    model, tokenizer = load_base(resolve(CONFIG), CONFIG, "cpu")
    model.model.norm.weight.data.fill_(float("nan"))
    metrics = Evaluator(model, tokenizer, capability, random_examples(3), seed=0).measure().metrics
    assert np.isnan(metrics["heldout_loss"])
    assert metrics["choice_likelihood"] == metrics["capability"] == 0.0
    assert metrics["choice_unparseable"] == metrics["degenerate"] == 1.0


def test_workers_with_less_to_do_take_part_in_every_pass(
    base: tuple[Any, Any], capability: CapabilityConfig
) -> None:
    barrier, busy, lock = threading.Barrier(2, timeout=60), [False, False], threading.Lock()
    passes, results = [0, 0], {}

    def work(rank: int) -> None:
        def any_working(working: bool) -> bool:
            busy[rank] = working
            barrier.wait()
            anyone = any(busy)
            barrier.wait()
            passes[rank] += anyone
            return anyone

        evaluator = Evaluator(*base, capability, random_examples(9), seed=0, any_working=any_working)
        outcomes = evaluator.outcomes((rank, 2))[0]
        with lock:
            results[rank] = outcomes

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passes[0] == passes[1] > 0
    whole = Evaluator(*base, capability, random_examples(9), seed=0).measure()
    assert combine([results[0], results[1]]).outcomes.scores == whole.outcomes.scores


def test_a_limit_draws_items_by_the_seed(base: tuple[Any, Any], capability: CapabilityConfig) -> None:
    skill = capability.skills[0].model_copy(update={"limit": 5})
    limited = CapabilityConfig(skills=(skill,))
    prints = [Evaluator(*base, limited, [], seed=seed).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    measurement = Evaluator(*base, limited, [], seed=0).measure()
    assert measurement.intervals["capability"].n == 5
    assert "heldout_loss" not in measurement.metrics


@pytest.mark.parametrize(
    ("content", "scoring", "message"),
    [
        ("", "generation", r"skill\.path: .* is empty"),
        ("{bad\n", "generation", r"skill\.path: .*items\.jsonl:1 is not JSON"),
        ('\n{"question": "q"}\n', "generation", r"items\.jsonl:2 is not an item"),
        ('{"question": "q", "options": ["a", "b"], "answer": 2}\n', "generation", "is not an item"),
        ('{"question": "q", "options": ["a", "a"], "answer": 0}\n', "generation", "is not an item"),
        ('{"question": "q", "options": ["a", " "], "answer": 0}\n', "generation", "is not an item"),
        ('{"question": "q", "options": ["a"], "answer": "a"}\n', "generation", "is not an item"),
        ('{"question": "q\\ud800", "answer": "a"}\n', "generation", "invalid characters"),
        ('{"question": "q", "answer": "\\ud800"}\n', "generation", "invalid characters"),
        (
            '{"question": "q", "options": ["a", "\\udfff"], "answer": 0}\n',
            "generation",
            "invalid characters",
        ),
        ('{"question": "q", "answer": "a"}\n', "likelihood", r"skill\.scoring: likelihood compares options"),
        (
            '{"question": "q", "answer": "a"}\n{"question": "q", "options": ["a", "b"], "answer": 0}\n',
            "generation",
            "mixes items",
        ),
        ('{"question": "' + "long " * 300 + '", "answer": "a"}\n', "generation", "context is 256"),
    ],
)
def test_items_that_cannot_be_used_are_refused(
    base: tuple[Any, Any], tmp_path: Path, content: str, scoring: Any, message: str
) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(content)
    settings = CapabilityConfig(skills=(SkillConfig(name="skill", path=str(path), scoring=(scoring,)),))
    with pytest.raises(UserError, match=message):
        Evaluator(*base, settings, [], seed=0)


def test_a_model_that_is_none_of_transformers_is_refused() -> None:
    with pytest.raises(TypeError, match="contains no transformers model"):
        Forward(nn.Linear(2, 2))
