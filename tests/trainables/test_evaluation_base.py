"""What is compared with the base model: loss on general text, and divergence on the questions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch.nn import functional
from transformers import AutoTokenizer

from tests.trainables.small import VOCABULARY
from tests.trainables.test_evaluation_packed import RANKS, Packed, character_tokenizer, tiny_adapters
from trainables.data.general import GeneralText, load_general
from trainables.embedded import model_dir
from trainables.errors import UserError
from trainables.evaluation.declared import declared_metrics
from trainables.evaluation.evaluator import Evaluator
from trainables.evaluation.inference.divergence import Divergence
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.passes import Passes
from trainables.evaluation.measurement import Measurement, combine
from trainables.evaluation.outcomes import Outcomes, Sums
from trainables.settings import CapabilityConfig, SkillConfig, TaskConfig

pytestmark = pytest.mark.integration

TEXTS = ["The sea is calm.", "One, two, three, and four!", "Ships: 12", "No."]
TASK = TaskConfig(name="task", train="unused.txt", max_length=12)


@pytest.fixture(scope="module")
def model() -> PeftModel:
    return tiny_adapters().eval()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def general(tmp_path_factory: pytest.TempPathFactory) -> GeneralText:
    path = tmp_path_factory.mktemp("general") / "general.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return load_general(str(path), 64, TASK, character_tokenizer(), 0, 12)


@pytest.fixture(scope="module")
def capability(tmp_path_factory: pytest.TempPathFactory) -> CapabilityConfig:
    path = tmp_path_factory.mktemp("skills") / "open.jsonl"
    items = [{"question": f"{n}+{7 * n}=?", "answer": "x"} for n in range(5)]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    skills = (SkillConfig(name="open", path=str(path)),)
    return CapabilityConfig(skills=skills, max_new_tokens=3, kl_prompts=3, general_text="general.jsonl")


def evaluator(
    model: Any, capability: CapabilityConfig, general: GeneralText, rows: Any = None, base: Any = None
) -> Evaluator:
    base = base or model.disable_adapter
    return Evaluator(model, character_tokenizer(), capability, [], 0, rows=rows, general=general, base=base)


def test_general_text_counts_the_bytes_of_what_is_predicted(tmp_path: Path) -> None:
    texts = ["The sea is calm, and the light burns all night.", "Señor Álvarez keeps the log.", "No."]
    path = tmp_path / "general.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    tokenizer = AutoTokenizer.from_pretrained(model_dir())
    found = load_general(str(path), 64, TASK, tokenizer, 0, 12)
    pieces = [example.input_ids for example in found.examples]
    assert len(pieces) > len(texts)
    assert max(map(len, pieces)) == 12
    # What is no target is the first token of each piece.
    firsts = [tokenizer.decode([ids[0]]) for ids in pieces]
    expected = sum(len(text.encode()) for text in texts) - sum(len(first.encode()) for first in firsts)
    assert sum(found.sizes) == expected


def test_the_untouched_model_differs_in_nothing_from_itself(
    model: PeftModel, capability: CapabilityConfig, general: GeneralText
) -> None:
    made = evaluator(model, capability, general)
    with model.disable_adapter():
        assert "general_loss_change" not in made.measure().metrics
        made.take_base()
        measured = made.measure()
    assert measured.metrics["general_loss_change"] == pytest.approx(0, abs=1e-6)
    assert measured.metrics["kl_base"] == pytest.approx(0, abs=1e-6)
    assert all(math.isfinite(value) for value in measured.metrics.values())
    assert measured.intervals["kl_base"].n == 3
    assert measured.intervals["general_loss_change"].n == len(general.examples)


def test_without_questions_the_change_on_general_text_is_measured_and_no_capability(
    model: PeftModel, capability: CapabilityConfig, general: GeneralText
) -> None:
    silent = CapabilityConfig(general_text="general.jsonl", kl_prompts=0)
    alone, asked = (evaluator(model, each, general) for each in (silent, capability))
    for made in (alone, asked):
        with model.disable_adapter():
            made.take_base()
    model.set_adapter("two")
    measured = alone.measure().metrics
    assert measured["general_loss_change"] == pytest.approx(asked.measure().metrics["general_loss_change"])
    declared = [metric.name for metric in declared_metrics(silent)]
    assert sorted(measured) == sorted(name for name in declared if not name.startswith("heldout_"))


def test_adapters_are_compared_with_the_base_as_by_hand(
    model: PeftModel, capability: CapabilityConfig, general: GeneralText
) -> None:
    made = evaluator(model, capability, general)
    with model.disable_adapter():
        made.take_base()
    model.set_adapter("two")
    measured = made.measure()
    divergence = measured.outcomes.divergence
    prompts = made._parts[-1]._prompts  # type: ignore[attr-defined]
    with torch.no_grad():
        for index, total, count in zip(divergence.examples, divergence.sums, divergence.tokens, strict=True):
            ids = torch.tensor([prompts[index]])
            tuned = model(input_ids=ids).logits.log_softmax(-1)
            with model.disable_adapter():
                base = model(input_ids=ids).logits.log_softmax(-1)
            assert count == ids.shape[1]
            assert total == pytest.approx(float((base.exp() * (base - tuned)).sum()), rel=1e-4)
        change = 0.0
        for example in general.examples:
            ids = torch.tensor(example.input_ids[None].astype("int64"))
            for sign, context in ((1, None), (-1, model.disable_adapter)):
                logits = model(input_ids=ids).logits if context is None else None
                if context is not None:
                    with context():
                        logits = model(input_ids=ids).logits
                assert logits is not None
                losses = functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")
                change += sign * float(losses)
    tokens = sum(example.targets for example in general.examples)
    assert measured.metrics["general_loss_change"] == pytest.approx(change / tokens, rel=1e-3)


@contextmanager
def base_alone(packed: Packed, names: list[str]) -> Iterator[None]:
    """Rows are announced for all adapters, and run without any."""
    packed._names = ["__base__"] * len(names)
    yield
    packed._names = names


def test_of_long_prompts_the_last_positions_count_however_many_adapters_there_are(model: PeftModel) -> None:
    names = list(RANKS)
    prompts = [
        [3 + (7 * place + row) % 40 for place in range(length)] for row, length in enumerate((30, 12, 4))
    ]

    def sums(given: Any, copies: int, logits: int, rows: Any, base: Any) -> list[Sums]:
        part = Divergence(Passes(Forward(given, rows=rows), 0, 64), base, prompts, 9, 0, logits)
        outcomes = [Outcomes() for _ in range(copies)]
        with torch.no_grad():
            part.run(outcomes, (0, 1))
        assert {len(part._prompts[index]) for index in outcomes[0].divergence.examples} == {30, 12, 4}
        return [Sums.merged([one.divergence]) for one in outcomes]

    room = 2 * 8 * VOCABULARY  # logits of 8 positions of the base, and of one adapter
    packed = Packed(model, names)
    together = sums(packed, len(names), room, packed.rows, partial(base_alone, packed, names))
    assert {sum(counts) for counts in packed.counts} == {1, 3}  # of 8 positions one row, of 4 three
    for name, found in zip(names, together, strict=True):
        model.set_adapter(name)
        (alone,) = sums(model, 1, room, None, model.disable_adapter)
        (whole,) = sums(model, 1, 10**9, None, model.disable_adapter)
        assert sorted(alone.tokens) == [4, 8, 8]
        assert sorted(whole.tokens) == [4, 12, 30]
        assert found.sums == pytest.approx(alone.sums, rel=1e-4)
        for capped, every, tokens in zip(alone.sums, whole.sums, whole.tokens, strict=True):
            assert capped == pytest.approx(every, rel=1e-4) if tokens == 4 else capped < every


@pytest.mark.parametrize("world", [1, 2, 7])
def test_packed_and_shared_out_they_are_as_alone(
    model: PeftModel, capability: CapabilityConfig, general: GeneralText, world: int
) -> None:
    names = list(RANKS)
    alone: dict[str, Measurement[Outcomes]] = {}
    made = evaluator(model, capability, general)
    with model.disable_adapter():
        made.take_base()
    for name in names:
        model.set_adapter(name)
        alone[name] = made.measure()
    packed = Packed(model, names)
    shares = []
    for rank in range(world):
        together = evaluator(packed, capability, general, packed.rows, partial(base_alone, packed, names))
        with model.disable_adapter():
            packed._names = names[:1]
            together.take_base((rank, world))
            packed._names = names
        shares.append(together.outcomes((rank, world), len(names)))
    for number, name in enumerate(names):
        found = combine([share[number] for share in shares])
        assert list(found.metrics) == list(alone[name].metrics)
        assert found.metrics == pytest.approx(alone[name].metrics, rel=1e-4, abs=1e-6)
        for key, interval in alone[name].intervals.items():
            assert found.intervals[key] == pytest.approx(interval, rel=1e-4, abs=1e-6)
    assert len({alone[name].metrics["kl_base"] for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "capability.general_text: there is no file"),
        ("other.jsonl", '{"body": "x"}\n', "other.jsonl, record 1 lacks the field 'text'"),
        ("empty.txt", "", "capability.general_text: .* is empty"),
    ],
)
def test_general_text_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        load_general(str(tmp_path / name), 64, TASK, character_tokenizer(), 0, 12)


def test_at_most_as_many_examples_as_asked_for_by_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n\n".join(f"Line {n} of a long text." for n in range(40)))
    texts = [load_general(str(path), 5, TASK, character_tokenizer(), seed, 12) for seed in (0, 0, 1)]
    assert len(texts[0].examples) == 5
    assert texts[0].fingerprint == texts[1].fingerprint != texts[2].fingerprint
