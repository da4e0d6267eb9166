"""The benchmark trains the same thing in every way, and says what it measured."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.packing import routed
from benchmarks.packing.bases import random_examples
from benchmarks.packing.cells import MODES, Plan, measure
from benchmarks.packing.flops import needed
from benchmarks.packing.loops import in_turn, mixed
from benchmarks.packing.meter import Timing
from benchmarks.packing.packs import ONE_PASS, packed
from benchmarks.packing.report import conditions, heading, line, rounded
from benchmarks.packing.work import Work, make_trials
from tests.trainables.small import VOCABULARY, tiny_llama
from trainables.lora.pack import PassLimits
from trainables.routing.parameters import RoutingParameters

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def work() -> Work:
    torch.set_num_threads(1)
    examples = random_examples("5-15", VOCABULARY)
    return Work(tiny_llama(), examples, make_trials(3, 4, [2, 5], lr=1e-2), warm=1, steps=2)


def losses(timing: Timing) -> list[float]:
    return [loss for trial in timing.losses for loss in trial]


def test_every_way_trains_the_same_thing(work: Work) -> None:
    before = {name: value.clone() for name, value in work.model.state_dict().items()}
    plain = losses(in_turn(work, None))
    assert len(plain) == 6
    assert len(set(plain)) == 6
    for timing in (
        in_turn(work, 3),
        mixed(work, 5),
        packed(work, ONE_PASS),
        packed(work, PassLimits(tokens=40, cost=1), slots=2),
        packed(work, ONE_PASS, share_rows=True),
    ):
        assert losses(timing) == pytest.approx(plain, rel=1e-5)
    after = work.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_passes_and_padding_are_counted_while_the_clock_runs(work: Work) -> None:
    one_pass, one_row = packed(work, ONE_PASS), in_turn(work, 1)
    assert one_pass.passes == work.steps
    assert one_row.passes == work.steps * 12
    assert one_row.passed == work.tokens == sum(work.lengths)
    assert one_pass.passed > work.tokens


def test_a_row_has_all_fields_and_is_json(work: Work) -> None:
    plan = Plan(MODES, repeats=1, target=0.05, until=math.inf, peak=1e12)
    row: dict[str, Any] = {"length": "5-15", "batch_size": 4, "slots": 3, **measure(work, plan)}
    assert set(row["ways"]) == set(MODES)
    assert len(row["auto_slots"]) == row["repeats"] == 1
    for way in row["ways"].values():
        assert way["tokens_per_second"] > 0
        assert len(way["seconds"]) == 1
        assert way["ratio"]["min"] <= way["ratio"]["median"] <= way["ratio"]["max"]
        assert 0 <= way["padding"] < 1
        assert way["share_of_peak"] > 0
    assert row["ways"]["plain"]["ratio"]["median"] == 1
    assert row["ways"]["shared_rows"]["padding"] < row["ways"]["packed_one_pass"]["padding"]
    assert row["ways"]["shared_rows"]["to_one_pass"]["median"] > 0
    assert len(line(row).split()) >= len(heading(MODES).splitlines()[1].split())
    facts = conditions(torch.device("cpu")) | {"rows": [row]}
    again = json.loads(json.dumps(rounded(facts)))
    assert again["rows"][0]["slots"] == 3
    assert again["rows"][0]["ways"]["plain"]["ratio"] == {"median": 1, "min": 1, "max": 1}
    assert {"device", "threads", "load_average", "torch", "peft"} <= again.keys()


def test_no_repeat_is_begun_once_time_is_up(work: Work) -> None:
    plan = Plan(("plain", "packed_one_pass"), repeats=5, target=0.01, until=time.monotonic(), peak=None)
    assert measure(work, plan)["repeats"] == 1


def test_operations_grow_with_the_work(work: Work) -> None:
    # Twice as many steps of examples of one length need twice as many operations.
    examples = random_examples("12", VOCABULARY)
    short = Work(work.model, examples, work.trials, warm=0, steps=2)
    long = Work(work.model, examples, work.trials, warm=0, steps=4)
    assert needed(long) == pytest.approx(2 * needed(short))
    weights = sum(
        module.weight.numel() for module in work.model.modules() if isinstance(module, torch.nn.Linear)
    )
    # The base alone: 2 operations for each weight and token, forwards and backwards.
    assert needed(short) > 4 * weights * short.tokens


def test_trials_of_two_adapters_are_measured_in_every_way(work: Work) -> None:
    trials = [RoutingParameters(rank=2, rank_bad=3, batch_size=4, seed=seed) for seed in range(2)]
    row = routed.measure(replace(work, warm=1, steps=1), trials, repeats=2)
    assert row["seconds"].keys() == {"alone", "packed", "single"}
    for name in ("packed_to_alone", "packed_to_single"):
        assert 0 < row[name]["min"] <= row[name]["median"] <= row[name]["max"]
