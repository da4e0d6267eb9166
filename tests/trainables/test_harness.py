"""Tasks of lm-evaluation-harness: scores equal its own, item by item."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peft import PeftModel

from tests.trainables.chat_tokenizers import TEMPLATES, tokenizer
from tests.trainables.harness_models import CONFIG, installed, theirs
from tests.trainables.harness_tasks import (
    choice_task,
    generation_task,
    last_word_task,
    questions,
    text_task,
    write_task,
)
from tests.trainables.packed_rows import Packed, adapters
from trainables.errors import UserError
from trainables.evaluation.harness import library
from trainables.evaluation.harness.answers import Asking
from trainables.evaluation.harness.scores import DocumentScore
from trainables.evaluation.harness.task import HarnessTask
from trainables.evaluation.inference.forward import Forward
from trainables.models.load import load_base
from trainables.models.resolve import resolve


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    return load_base(resolve(CONFIG), CONFIG, "cpu")


@pytest.fixture
def asking(base: tuple[Any, Any]) -> Iterator[Asking]:
    forward = Forward(base[0])
    with forward.evaluating():
        yield Asking(forward, copies=1, batch_size=16, pad_id=0, ends=frozenset({base[1].eos_token_id}))


@installed
@pytest.mark.integration
@pytest.mark.parametrize("shots", [0, 3])
def test_multiple_choice_equals_the_harness(
    base: tuple[Any, Any], asking: Asking, tmp_path: Path, shots: int
) -> None:
    path = choice_task(tmp_path, shots)
    task = HarnessTask(str(path), base[1], seed=3, context=256)
    (own,) = task.scores(asking)
    expected = theirs(base, path, seed=3)
    assert len(own) == len(expected) == task.items == 14
    for score, sample in zip(own, expected, strict=True):
        assert task.documents[score.item] == sample["doc_id"]
        assert score.log_likelihoods == pytest.approx([value[0][0] for value in sample["resps"]], abs=1e-3)
        assert score.values["acc"] == sample["acc"] == score.right
        assert (score.values["acc_norm"], score.values["acc_bytes"]) == (
            sample["acc_norm"],
            sample["acc_bytes"],
        )
        assert (score.prediction == task.targets[score.item]) == score.right
    assert 0 < sum(bool(score.right) for score in own) < len(own)
    assert_same_figures(task, own, expected)


@installed
@pytest.mark.integration
def test_generation_equals_the_harness(base: tuple[Any, Any], asking: Asking, tmp_path: Path) -> None:
    path = generation_task(tmp_path)
    task = HarnessTask(str(path), base[1], seed=0, context=256)
    (own,) = task.scores(asking)
    expected = theirs(base, path, seed=0)
    for name in ("number", "plain"):
        samples = [sample for sample in expected if sample["filter"] == name]
        assert len(samples) == len(own)
        for score, sample in zip(own, samples, strict=True):
            assert score.reply == sample["resps"][0][0]
            assert "5" not in score.reply
            assert score.values[f"exact_match,{name}"] == sample["exact_match"]
    assert [score.right for score in own] == [bool(score.values["exact_match,number"]) for score in own]
    assert 0 < sum(bool(score.right) for score in own) < len(own)
    assert {score.prediction for score in own if not score.reply} <= {None}
    assert_same_figures(task, own, expected)


@installed
@pytest.mark.integration
@pytest.mark.parametrize("write", [text_task, last_word_task])
def test_likelihoods_of_texts_equal_the_harness(
    base: tuple[Any, Any], asking: Asking, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path)
    task = HarnessTask(str(path), base[1], seed=0, context=256)
    (own,) = task.scores(asking)
    expected = theirs(base, path, seed=0)
    assert len(own) == len(expected)
    if write is text_task:
        assert task.recorded.primary is None
        assert {score.right for score in own} == {None}
    else:
        assert [score.right for score in own] == [bool(sample["acc"]) for sample in expected]
    assert_same_figures(task, own, expected)


def assert_same_figures(task: HarnessTask, own: list[DocumentScore], expected: list[dict[str, Any]]) -> None:
    sent = [DocumentScore(**json.loads(json.dumps(vars(score)))) for score in reversed(own)]
    results = expected[0]["results"]
    figures = task.metrics(sent)
    assert figures
    for name, value in figures.items():
        key = name if "," in name else f"{name},none"
        assert value == pytest.approx(results[key], rel=1e-4)


@installed
@pytest.mark.integration
def test_adapters_and_workers_do_not_change_scores(tmp_path: Path, base: tuple[Any, Any]) -> None:
    model, tokenizer = load_base(resolve(CONFIG), CONFIG, "cpu")
    names = ["one", "two"]
    wrapped: PeftModel = adapters(model, dict.fromkeys(names, 4), std=0.03)
    packed = Packed(wrapped, names)
    ends = frozenset({tokenizer.eos_token_id})
    for path in (choice_task(tmp_path, 3, count=7), generation_task(tmp_path, count=7)):
        task = HarnessTask(str(path), tokenizer, seed=3, context=256)
        forward = Forward(packed, rows=packed.rows)
        with forward.evaluating():
            asking = Asking(forward, 2, 9, 0, ends)
            shares = [task.scores(asking, (rank, 2)) for rank in range(2)]
        assert shares[0][0] != shares[0][1] or "sums" in task.name
        for number, name in enumerate(names):
            wrapped.set_adapter(name)
            alone = Forward(wrapped)
            with alone.evaluating():
                (expected,) = task.scores(Asking(alone, 1, 64, 0, ends))
            together = sorted([*shares[0][number], *shares[1][number]], key=lambda score: score.item)
            assert [score.item for score in together] == [*range(7)]
            for found, own in zip(together, expected, strict=True):
                assert (found.right, found.reply, found.prediction) == (own.right, own.reply, own.prediction)
                assert found.log_likelihoods == pytest.approx(own.log_likelihoods, abs=1e-3)


@installed
@pytest.mark.integration
def test_documents_are_chosen_by_the_seed(base: tuple[Any, Any], tmp_path: Path) -> None:
    path = str(choice_task(tmp_path, 1))
    made = [HarnessTask(path, base[1], seed=seed, context=256, limit=5) for seed in (0, 0, 1)]
    assert made[0].fingerprint == made[1].fingerprint != made[2].fingerprint
    assert made[0].documents == made[1].documents != made[2].documents
    rows = questions("facts", 14)
    assert made[2].targets == [rows[place]["options"][rows[place]["answer"]] for place in made[2].documents]
    assert len(made[0].questions) == made[0].items == 5


@installed
@pytest.mark.integration
def test_prompts_too_long_lose_their_beginning_as_in_the_harness(
    base: tuple[Any, Any], asking: Asking, tmp_path: Path
) -> None:
    rows = [{**row, "question": "Think. " * 120 + row["question"]} for row in questions("facts", 3)]
    settings = {"output_type": "multiple_choice", "doc_to_text": "question", "doc_to_choice": "options"}
    path = write_task(tmp_path, "long", rows, doc_to_target="answer", **settings)
    (own,) = HarnessTask(str(path), base[1], seed=0, context=256).scores(asking)
    for score, sample in zip(own, theirs(base, path, seed=0), strict=True):
        assert score.log_likelihoods == pytest.approx([value[0][0] for value in sample["resps"]], abs=1e-3)


@installed
@pytest.mark.integration
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generation_kwargs": {"do_sample": True, "temperature": 0.7}}, "replies are generated greedily"),
        ({"generation_kwargs": {"num_beams": 4}}, "replies are generated greedily"),
        ({"generation_kwargs": {"max_gen_toks": 300}}, "leave no room"),
        ({"dataset_kwargs": {"data_files": {"test": "missing.jsonl"}}}, "cannot be loaded"),
        ({"unsafe_code": True}, "running generated code"),
        ({"metric_list": [{"metric": "bleu"}]}, None),
    ],
)
def test_tasks_that_cannot_be_asked_are_refused(
    base: tuple[Any, Any], tmp_path: Path, change: dict[str, Any], message: str | None
) -> None:
    settings = {
        "doc_to_text": "question",
        "doc_to_target": "answer",
        "generation_kwargs": {"max_gen_toks": 4},
    }
    rows = questions("arithmetic", 3)
    path = write_task(tmp_path, "open", rows, **{"output_type": "generate_until", **settings, **change})
    if message is None:
        assert HarnessTask(str(path), base[1], seed=0, context=256).recorded.primary is None
        return
    with pytest.raises(UserError, match=message):
        HarnessTask(str(path), base[1], seed=0, context=256)


@installed
@pytest.mark.integration
def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no task 'arc_eazy'; did you mean 'arc_easy'"):
        library.load_task("arc_eazy", "capability", 0)
    with pytest.raises(UserError, match="there is no task file"):
        library.load_task(str(tmp_path / "none.yaml"), "capability", 0)


@installed
@pytest.mark.integration
def test_the_metric_that_counts_can_be_named(base: tuple[Any, Any], asking: Asking, tmp_path: Path) -> None:
    path = str(choice_task(tmp_path, 0, count=3))
    with pytest.raises(UserError, match="has no metric 'accuracy'"):
        HarnessTask(path, base[1], seed=0, context=256, metric="accuracy")
    for metric in ("brier_score", "mcc"):
        with pytest.raises(UserError, match=rf"{metric} of the task .* right or wrong.*\n.*acc, acc_norm"):
            HarnessTask(path, base[1], seed=0, context=256, metric=metric)
    by_length = HarnessTask(path, base[1], seed=0, context=256, metric="acc_norm").scores(asking)[0]
    assert [score.right for score in by_length] == [score.values["acc_norm"] == 1 for score in by_length]


@installed
@pytest.mark.integration
def test_the_day_that_a_chat_template_writes_is_always_the_same(tmp_path: Path) -> None:
    dated = tokenizer("bytes", TEMPLATES["llama3"][0])
    path = str(choice_task(tmp_path, 0, count=1))
    (prompt,) = HarnessTask(path, dated, seed=0, chat=True).prompts
    assert "Today: 26 Jul 2024 2024" in dated.decode(prompt)


@installed
@pytest.mark.integration
@pytest.mark.parametrize(("thinks", "end"), [(False, "<think>\n\n</think>"), (True, "<think>")])
def test_a_chat_template_s_thought_is_closed_unless_it_is_asked_for(
    thinks: bool, end: str, tmp_path: Path
) -> None:
    thinking = tokenizer("bytes", TEMPLATES["r1"][0])
    path = str(choice_task(tmp_path, 0, count=1))
    (prompt,) = HarnessTask(path, thinking, seed=0, chat=True, thinks=thinks).prompts
    assert thinking.decode(prompt).rstrip().endswith(f"<|assistant|>{end}")


@installed
def test_global_random_states_are_left_as_they_were() -> None:
    before = str(np.random.get_state(legacy=False))
    with library.seeded(5):
        first = np.random.random()
    with library.seeded(5):
        assert np.random.random() == first
    assert str(np.random.get_state(legacy=False)) == before


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_installed", lambda: False)
    with pytest.raises(UserError, match=r"tightrope\[lm-eval\]"):
        library.load_task("arc_easy", "capability", 0)
