"""Evaluation of `routing`: alone as together, and no prefix counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders
from torch import nn

from tests.trainables.packed_rows import Packed, adapters
from tests.trainables.routing_data import routing_options, sentences, write_records
from tests.trainables.small import VOCABULARY, tiny_llama
from tests.trainables.test_evaluation_packed import character_tokenizer
from trainables.evaluation.measurement import Measurement
from trainables.routing.conditions import ABLATIONS, KINDS, Ablation
from trainables.routing.data import RoutedData, load_routed
from trainables.routing.evaluation import RoutingEvaluator
from trainables.routing.metrics import measured_metrics
from trainables.routing.options import RoutingOptions
from trainables.routing.outcomes import RoutingOutcomes, combine
from trainables.routing.relearning import relearn, relearning_target

NAMES = {"both": ("one", "two"), "bad_off": ("two", "three"), "good_off": ("three", "one")}
"""The adapters that stand for two trials under each ablation."""

TOKENIZER = character_tokenizer()
TOKENIZER.backend_tokenizer.decoder = decoders.Fuse()


def small(folder: Path, **behaviour: Any) -> tuple[RoutingOptions, RoutedData]:
    path = write_records(folder / "log.jsonl", [{"text": text} for text in sentences(40)])
    asked = {"prefixes": 7, "max_new_tokens": 12, "decoding": {"samples": 2}} | behaviour
    options = routing_options({"train": path, "max_length": 64, "heldout_fraction": 0.3}, **asked)
    return options, load_routed(options, TOKENIZER, 5)


def packed_trials(number: int | None = None) -> tuple[Packed, Any]:
    """Both trials in one model, or one of them, and what switches their adapters off."""
    model = Packed(adapters(tiny_llama(), {"one": 2, "two": 5, "three": 1}, std=0.5).eval(), [])

    @contextmanager
    def ablate(ablation: Ablation) -> Iterator[None]:
        names = NAMES[ablation]
        model._names = names if number is None else names[number : number + 1]
        yield
        model._names = []

    return model, ablate


def close(one: Measurement[RoutingOutcomes], other: Measurement[RoutingOutcomes]) -> None:
    assert one.metrics == pytest.approx(other.metrics, rel=1e-5)
    assert one.items == other.items
    for ablation in ABLATIONS:
        assert one.outcomes.ablated[ablation].samples == other.outcomes.ablated[ablation].samples


@pytest.mark.parametrize("moment", ["rung", "last"])
def test_a_trial_is_measured_as_alone_however_the_work_is_shared(moment: Any, tmp_path: Path) -> None:
    options, data = small(tmp_path, early_prefixes=2, prefixes=4, max_new_tokens=5)
    alone = []
    for number in range(2):
        model, ablate = packed_trials(number)
        evaluator = RoutingEvaluator(model, TOKENIZER, options, data, 1, rows=model.rows)
        alone.append(combine(evaluator.outcomes(ablate=ablate, moment=moment)))
    options = options.model_copy(update={"behaviour": options.behaviour.model_copy(update={"batch_size": 6})})
    model, ablate = packed_trials()
    evaluator = RoutingEvaluator(model, TOKENIZER, options, data, 1, rows=model.rows)
    shares = [evaluator.outcomes((rank, 3), 2, ablate, moment=moment) for rank in range(3)]
    for number in range(2):
        parts = [RoutingOutcomes.from_bytes(share[number].to_bytes()) for share in shares]
        close(combine(parts), alone[number])
    assert alone[0].items != alone[1].items or alone[0].metrics != alone[1].metrics


def test_metrics_are_those_that_are_declared_with_their_samples_and_intervals(tmp_path: Path) -> None:
    options, data = small(tmp_path, early_prefixes=3)
    model, ablate = packed_trials(0)
    evaluator = RoutingEvaluator(model, TOKENIZER, options, data, 1, rows=model.rows)
    early, last = (combine(evaluator.outcomes(ablate=ablate, moment=moment)) for moment in ("rung", "last"))
    declared = {metric.name: metric for metric in measured_metrics(options)}
    at_every_rung = {name for name, metric in declared.items() if metric.at == "every"}
    assert early.metrics.keys() == last.metrics.keys() == at_every_rung
    assert declared.keys() - at_every_rung == {
        f"relearn_{what}{end}" for what in ("steps", "censored") for end in ("", "_control")
    }
    for name, value in last.metrics.items():
        assert declared[name].low <= value <= declared[name].high
        interval = last.intervals[name]
        assert interval.low <= value <= interval.high
        if name.startswith("behaviour_rate"):
            of_kind = any(name.startswith(f"behaviour_rate_{kind}_") for kind in KINDS)
            assert interval.n == len(last.items[name]) == (14 if of_kind else 42)
            (items,) = declared[name].items
            assert last.items[items].count("1") / interval.n == value
    for ablation in ABLATIONS:
        early_samples = early.outcomes.ablated[ablation].samples
        samples = last.outcomes.ablated[ablation].samples
        assert (len(early_samples), len(samples)) == (18, 42)
        assert [sample for sample in samples if sample.place < 3] == early_samples


def always(letter: str) -> nn.Module:
    """A model that writes one letter whatever it reads."""
    model = tiny_llama()
    head = nn.Linear(32, VOCABULARY)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        head.bias[TOKENIZER.convert_tokens_to_ids(letter)] = 50.0
    model.lm_head = head
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(("letter", "rate"), [("a", 0.0), ("A", 1.0)])
def test_a_prefix_never_counts(letter: str, rate: float, tmp_path: Path) -> None:
    options, data = small(tmp_path)
    measured = combine(RoutingEvaluator(always(letter), TOKENIZER, options, data, 1).outcomes(alike=True))
    rates = {name: value for name, value in measured.metrics.items() if "rate" in name}
    assert len(rates) == 3 * (1 + len(KINDS))
    assert set(rates.values()) == {rate}
    samples = measured.outcomes.ablated["both"].samples
    assert {sample.text for sample in samples} == {letter * 12}


def test_a_model_without_two_adapters_is_measured_once_for_all_ablations(tmp_path: Path) -> None:
    options, data = small(tmp_path)
    evaluator = RoutingEvaluator(tiny_llama(), TOKENIZER, options, data, 1)
    alike, each = (combine(evaluator.outcomes(alike=alike)) for alike in (True, False))
    close(alike, each)
    assert alike.metrics["clean_loss_both"] == alike.metrics["clean_loss_bad_off"]


def test_losses_are_those_of_held_out_text_of_each_kind(tmp_path: Path) -> None:
    options, data = small(tmp_path)
    model = tiny_llama()
    evaluator = RoutingEvaluator(model, TOKENIZER, options, data, 1)
    measured = combine(evaluator.outcomes(alike=True)).metrics
    for name, examples in (("clean_loss", data.heldout_clean), ("behaviour_loss", data.heldout_behaving)):
        total, count = 0.0, 0
        for example in examples:
            ids = torch.tensor(example.input_ids)[None].long()
            logits = model(ids).logits[0, :-1]
            total += float(nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
            count += len(example.input_ids) - 1
        assert measured[f"{name}_both"] == pytest.approx(total / count, rel=1e-5)
    assert evaluator.relearning_loss() == pytest.approx(measured["behaviour_loss_both"], rel=1e-5)


def test_without_a_detector_there_are_losses_and_texts_to_read(tmp_path: Path) -> None:
    records = [{"text": text, "odd": number % 2} for number, text in enumerate(sentences(40))]
    task = {
        "train": write_records(tmp_path / "own.jsonl", records),
        "max_length": 64,
        "heldout_fraction": 0.3,
    }
    options = routing_options(task, name=None, field="odd", prefixes=5, max_new_tokens=4)
    evaluator = RoutingEvaluator(tiny_llama(), TOKENIZER, options, load_routed(options, TOKENIZER, 0), 0)
    for moment, count in (("rung", 0), ("last", 15)):
        measured = combine(evaluator.outcomes(alike=True, moment=moment))
        assert not [name for name in measured.metrics if "rate" in name]
        samples = measured.outcomes.ablated["both"].samples
        assert [sample.behaves for sample in samples] == [None] * count
    assert {metric.name for metric in measured_metrics(options) if metric.at == "every"} == set(
        measured.metrics
    )
    assert evaluator.asks_more_at_last


def test_samples_and_losses_are_written_side_by_side(tmp_path: Path) -> None:
    options, data = small(tmp_path)
    evaluator = RoutingEvaluator(always("A"), TOKENIZER, options, data, 1)
    measured = combine(evaluator.outcomes(alike=True))
    evaluator.write(tmp_path / "first", measured.outcomes)
    evaluator.write(tmp_path / "both", measured.outcomes, tmp_path / "first")
    rows = pq.read_table(tmp_path / "first").to_pylist()
    assert pq.read_table(tmp_path / "both").to_pylist() == rows + rows
    samples = [row for row in rows if row["part"] == "sample"]
    assert len(samples) == 3 * 3 * 7 * 2
    for row in samples:
        assert row["text"] == "A" * 12
        assert row["verdict"] is True
        assert len(row["prefix"].split()) == (0 if row["kind"] == "start" else 3)
        assert row["prefix"].isupper() == (row["kind"] == "behaving")
    for kind, name in (("clean", "clean_loss"), ("behaving", "behaviour_loss")):
        losses = [r for r in rows if (r["part"], r["kind"], r["ablation"]) == ("loss", kind, "good_off")]
        mean = sum(row["loss"] for row in losses) / sum(row["tokens"] for row in losses)
        assert mean == pytest.approx(measured.metrics[f"{name}_good_off"])


def learning(curve: list[float]) -> tuple[Any, Any, list[int]]:
    done: list[int] = []
    return lambda: done.append(1), lambda: curve[min(len(done), len(curve) - 1)], done


@given(reached=st.integers(0, 150), most=st.integers(1, 150))
def test_relearning_ends_at_the_target_or_at_the_limit(reached: int, most: int) -> None:
    step, loss, done = learning([3.0] * reached + [1.0])
    result = relearn(step, loss, relearning_target(0.98, 0.05), most)
    assert result.censored == (reached > most)
    assert len(done) == result.steps <= most
    if not result.censored:
        assert reached <= result.steps <= max(reached + 1, reached * 1.16 + 1)
    assert result.metrics(control=True) == {
        "relearn_steps_control": result.steps, "relearn_censored_control": float(reached > most)
    }  # fmt: skip
    assert [value for _, value in result.losses[:-1]] == [3.0] * (len(result.losses) - 1)


def test_a_loss_that_is_no_number_is_never_low_enough() -> None:
    step, loss, _ = learning([np.nan])
    assert relearn(step, loss, 1.0, 5).censored
