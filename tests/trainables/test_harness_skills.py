"""Tasks of lm-evaluation-harness as skills: what is recorded of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from peft import PeftModel

from tests.trainables.harness_models import CONFIG, installed, theirs
from tests.trainables.harness_tasks import (
    choice_task,
    generation_task,
    graded_task,
    last_word_task,
    questions,
    text_task,
    write_task,
)
from tests.trainables.packed_rows import Packed, adapters
from trainables.errors import UserError
from trainables.evaluation.harness.skills import HarnessSkill, HarnessSkills, load_harness
from trainables.evaluation.harness.task import HarnessTask
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.passes import Passes
from trainables.evaluation.itemfile import write_items
from trainables.evaluation.measurement import Measurement, combine
from trainables.evaluation.outcomes import Outcomes
from trainables.messages import Moment
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.settings import SkillConfig


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    return load_base(resolve(CONFIG), CONFIG, "cpu")


class WithBase(Packed):
    """Adapters, beside which the base model can be asked as well."""

    _alone = False

    @contextmanager
    def inactive(self) -> Iterator[None]:
        self._alone = True
        with self.model.disable_adapter():
            yield
        self._alone = False

    def rows(self, counts: Sequence[int]) -> None:
        if not self._alone:
            super().rows(counts)

    def forward(self, input_ids: torch.Tensor, **options: Any) -> Any:
        if self._alone:
            return self.model(input_ids=input_ids, **options)
        return super().forward(input_ids, **options)


@installed
@pytest.mark.integration
def test_a_task_is_a_skill_of_an_evaluation(base: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = base
    paths = (choice_task(tmp_path, 1, count=7), generation_task(tmp_path, count=5))
    tasks = [HarnessTask(str(path), tokenizer, seed=0, context=256) for path in paths]
    skills = [HarnessSkill("facts", tasks[0]), HarnessSkill("sums", tasks[1], at="last")]
    forward = Forward(model)
    part = HarnessSkills(Passes(forward, 0, 8), skills, {tokenizer.eos_token_id})
    shares = []
    with forward.evaluating():
        for rank in range(2):
            outcomes = Outcomes(seconds={"total": 1.0})
            part.run([outcomes], (rank, 2))
            shares.append(Outcomes.from_bytes(outcomes.to_bytes()))
        early = Outcomes(seconds={"total": 1.0})
        part.run([early], (0, 1), "rung")
    measured = combine(shares)
    scores = theirs(base, paths[0], seed=0)
    assert measured.metrics["facts_harness"] == measured.metrics["capability"]
    assert measured.items == {"facts": "".join("01"[int(sample["acc"])] for sample in scores)}
    assert measured.metrics["facts_acc_norm"] == np.mean([sample["acc_norm"] for sample in scores])
    assert measured.intervals["sums_harness"].n == 5
    assert {"facts_acc_bytes", "sums_exact_match_plain"} <= measured.metrics.keys()
    assert {score.skill for score in early.scores} == {"facts"}
    for score in measured.outcomes.scores:
        for result in score.results:
            item = part.items[score.skill][result.item]
            assert (
                not (score.skill == "facts" and score.primary)
                or (result.answer == item.answer) == result.correct
            )


@installed
@pytest.mark.integration
def test_replies_that_are_cut_off_are_counted(base: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = base
    path = write_task(
        tmp_path,
        "shortly",
        questions("facts", 4),
        output_type="generate_until",
        doc_to_text="<|user|>{{question}}<|end|><|assistant|>",
        doc_to_target="{{options[answer]}}",
        generation_kwargs={"until": ["<none>"], "max_gen_toks": 1, "do_sample": False},
        metric_list=[{"metric": "exact_match"}],
    )
    ended = generation_task(tmp_path, count=3)
    found = {}
    for name, file in (("cut", path), ("ended", ended)):
        task = HarnessTask(str(file), tokenizer, seed=0, context=256)
        outcomes = Outcomes(seconds={"total": 1.0})
        forward = Forward(model)
        with forward.evaluating():
            HarnessSkills(Passes(forward, 0, 8), [HarnessSkill(name, task)], {tokenizer.eos_token_id}).run(
                [outcomes], (0, 1)
            )
        found[name] = combine([Outcomes.from_bytes(outcomes.to_bytes())])
    assert found["cut"].metrics["length_exhausted"] == found["cut"].metrics["degenerate"] == 1.0
    assert found["cut"].items["degenerate"] == "1111"
    assert found["ended"].metrics["length_exhausted"] == 0.0
    assert not {"empty", "right"} & found["cut"].metrics.keys()


@installed
@pytest.mark.integration
def test_metrics_that_are_not_right_or_wrong_are_recorded_and_compared_with_the_base(tmp_path: Path) -> None:
    model, tokenizer = load_base(resolve(CONFIG), CONFIG, "cpu")
    names = ["one", "two"]
    paths = {"facts": choice_task(tmp_path, 1, count=7), "texts": text_task(tmp_path)}
    expected = {name: theirs((model, tokenizer), path, seed=0)[0]["results"] for name, path in paths.items()}
    skills = load_harness(
        [
            SkillConfig(name=name, path=f"lm_eval:{path}", scoring=("harness",), at=at)
            for (name, path), at in zip(paths.items(), ("every", "last"), strict=True)
        ],
        tokenizer,
        seed=0,
        context=256,
    )
    wrapped: PeftModel = adapters(model, dict.fromkeys(names, 4), std=0.03)
    packed = WithBase(wrapped, names)
    passes = Passes(Forward(packed, rows=packed.rows), 0, 8)
    part = HarnessSkills(passes, skills, {tokenizer.eos_token_id}, packed.inactive)

    def measured(moment: Moment, copies: int) -> list[Measurement[Outcomes]]:
        shares = [[Outcomes(seconds={"total": 1.0}) for _ in range(copies)] for _ in range(2)]
        with passes.forward.evaluating():
            for rank, outcomes in enumerate(shares):
                worker = HarnessSkills(passes, skills, {tokenizer.eos_token_id}, packed.inactive)
                worker.run(outcomes, (rank, 2), moment)
        return [
            combine([Outcomes.from_bytes(one.to_bytes()) for one in own]) for own in zip(*shares, strict=True)
        ]

    with packed.inactive():
        (base,) = measured("base", 1)
    for name, metrics in (("facts", ("brier_score", "mcc")), ("texts", ("word_perplexity", "bits_per_byte"))):
        for metric in metrics:
            figure = base.metrics[f"{name}_{metric}"]
            assert figure == pytest.approx(expected[name][f"{metric},none"], rel=1e-4)
            assert f"{name}_{metric}_change" not in base.metrics
    assert "texts_harness" not in base.metrics
    assert base.metrics["capability"] == base.metrics["facts_harness"]
    rung, last = measured("rung", 2), measured("last", 2)
    for early, late in zip(rung, last, strict=True):
        assert not [name for name in early.metrics if name.startswith("texts")]
        for name in ("facts_brier_score", "texts_bits_per_byte"):
            change = late.metrics[name] - base.metrics[name]
            assert late.metrics[f"{name}_change"] == pytest.approx(change, abs=1e-4)
            assert late.intervals[f"{name}_change"].n == late.intervals[name].n
    assert last[0].metrics["texts_bits_per_byte_change"] != last[1].metrics["texts_bits_per_byte_change"]
    write_items(tmp_path / "items.parquet", last[0].outcomes, part.items)
    rows = pq.read_table(tmp_path / "items.parquet").to_pylist()
    per_byte = [row for row in rows if row["scoring"] == "harness:bits_per_byte"]
    assert [row["outcome"] for row in per_byte] == [None] * 3
    total = sum(row["values"][0] for row in per_byte) / sum(row["values"][1] for row in per_byte)
    assert -total / np.log(2) == pytest.approx(last[0].metrics["texts_bits_per_byte"])


@installed
@pytest.mark.integration
def test_a_task_without_right_and_wrong_cannot_count(base: tuple[Any, Any], tmp_path: Path) -> None:
    texts = SkillConfig(name="texts", path=f"lm_eval:{text_task(tmp_path)}", scoring=("harness",))
    with pytest.raises(UserError, match=r"no metric that says right or wrong.*\n.*texts\.at=last or front"):
        load_harness([texts], base[1], seed=0, context=256)
    path = graded_task(tmp_path)
    path.write_text(
        path.read_text().replace("metric: acc", "metric: points\n  aggregation: !function grading.best")
    )
    (tmp_path / "grading.py").write_text(
        "def grade(doc, results):\n    return {'points': 0.5}\n\ndef best(points):\n    return max(points)\n"
    )
    graded = SkillConfig(name="graded", path=f"lm_eval:{path}", scoring=("harness",), at="last")
    with pytest.raises(UserError, match="no metric that can be recorded"):
        load_harness([graded], base[1], seed=0, context=256)
    path.write_text(path.read_text().replace("!function grading.best", "mean"))
    (skill,) = load_harness([graded], base[1], seed=0, context=256)
    assert skill.task.recorded.figures == {"points": "mean"}


@installed
@pytest.mark.integration
@pytest.mark.parametrize("metric", ["chrf", "ter"])
def test_what_only_all_replies_together_make_equals_the_harness(
    base: tuple[Any, Any], tmp_path: Path, metric: str
) -> None:
    rows = [{**row, "answer": row["options"][row["answer"]]} for row in questions("facts", 6)]
    path = write_task(
        tmp_path,
        "replies",
        rows,
        output_type="generate_until",
        doc_to_text="<|user|>{{question}}<|end|><|assistant|>",
        doc_to_target="{{question}} It is {{answer}}.",
        generation_kwargs={"until": ["<none>"], "max_gen_toks": 6, "do_sample": False},
        metric_list=[{"metric": metric}],
    )
    skill = SkillConfig(name="replies", path=f"lm_eval:{path}", scoring=("harness",), at="front")
    skills = load_harness([skill], base[1], seed=0, context=256)
    outcomes = Outcomes(seconds={"total": 1.0})
    forward = Forward(base[0])
    with forward.evaluating():
        part = HarnessSkills(Passes(forward, 0, 8), skills, {base[1].eos_token_id})
        part.run([outcomes], (0, 1), "front")
    measured = combine([Outcomes.from_bytes(outcomes.to_bytes())])
    expected = theirs(base, path, seed=0)[0]["results"][f"{metric},none"]
    assert measured.metrics == {f"replies_{metric}": pytest.approx(expected)}
    assert expected > 0
    assert measured.intervals[f"replies_{metric}"].n == 6
    write_items(tmp_path / "items.parquet", measured.outcomes, part.items)
    kept = pq.read_table(tmp_path / "items.parquet").to_pylist()
    assert [row["reply"] is not None for row in kept] == [True] * 6
    assert [row["answer"] for row in kept] == [f"{row['question']} It is {row['answer']}." for row in rows]


@installed
@pytest.mark.integration
def test_a_metric_that_the_harness_leaves_out_is_left_out(base: tuple[Any, Any], tmp_path: Path) -> None:
    path = last_word_task(tmp_path)
    path.write_text(path.read_text().replace("- metric: acc\n", "- metric: acc\n- metric: acc_norm\n"))
    (skill,) = load_harness(
        [SkillConfig(name="answers", path=f"lm_eval:{path}", scoring=("harness",))], base[1], 0, 256
    )
    assert skill.task.recorded.shares == ["acc_norm"]
    outcomes = Outcomes(seconds={"total": 1.0})
    forward = Forward(base[0])
    with forward.evaluating():
        HarnessSkills(Passes(forward, 0, 8), [skill], {base[1].eos_token_id}).run([outcomes], (0, 1))
    measured = combine([Outcomes.from_bytes(outcomes.to_bytes())])
    assert measured.metrics.keys() >= {"answers_harness", "answers_perplexity"}
    assert "answers_acc_norm" not in measured.metrics


@installed
@pytest.mark.integration
def test_the_base_model_that_was_measured_is_not_asked_again(base: tuple[Any, Any], tmp_path: Path) -> None:
    path = choice_task(tmp_path, 0, count=3)
    skills = [HarnessSkill("facts", HarnessTask(str(path), base[1], seed=0, context=256))]
    asked: list[None] = []

    @contextmanager
    def alone() -> Iterator[None]:
        asked.append(None)
        yield

    forward = Forward(base[0])
    cases: list[tuple[list[Moment], int]] = [(["base", "rung", "last"], 0), (["rung", "last"], 1)]
    for moments, times in cases:
        asked.clear()
        part = HarnessSkills(Passes(forward, 0, 8), skills, {base[1].eos_token_id}, alone)
        outcomes = Outcomes(seconds={"total": 1.0})
        with forward.evaluating():
            for moment in moments:
                outcomes = Outcomes(seconds={"total": 1.0})
                part.run([outcomes], (0, 1), moment)
        assert len(asked) == times
        assert combine([outcomes]).metrics["facts_brier_score_change"] == 0.0
