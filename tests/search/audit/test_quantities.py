"""Derived quantities against formulas by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from search.audit.names import NAMES
from search.audit.quantity import QUANTITIES
from search.audit.subject import Fact, Subject

whole = st.integers(1, 5000)
rate = st.floats(1e-7, 1.0)
few = settings(max_examples=25)


def quantity(name: str, **facts: Any) -> Any:
    return Subject({each: Fact(value) for each, value in facts.items()}).at({})[name]


def test_quantities_are_described_and_rest_on_what_there_is() -> None:
    for name in QUANTITIES:
        entry = QUANTITIES[name]
        assert entry.meaning.endswith("."), name
        assert {*entry.needs, *entry.uses} <= {*NAMES, *QUANTITIES}, name
        if entry.needs or entry.uses:
            with pytest.raises(KeyError):
                quantity(name)


@few
@given(whole, whole, whole, st.integers(1, 50))
def test_epochs_and_steps_agree_on_what_is_read(examples: int, batch: int, steps: int, epochs: int) -> None:
    by_epochs = {"epochs": epochs, "corpus_examples": examples, "batch": batch}
    total = quantity("total_steps", **by_epochs)
    assert (total - 1) * batch < epochs * examples <= total * batch
    assert quantity("passes", **by_epochs) == pytest.approx(total * batch / examples)
    by_steps = {"steps": steps, "corpus_examples": examples, "batch": batch}
    assert quantity("examples_consumed", **by_steps) == steps * batch
    assert quantity("corpus_share", **by_steps) == min(1, steps * batch / examples)
    assert quantity("tokens_seen", mean_tokens=7.0, **by_steps) == 7 * min(steps * batch, examples)


@few
@given(whole, whole, whole)
def test_batches_are_products(micro: int, passes: int, devices: int) -> None:
    parts = {"micro_batch": micro, "accumulation": passes}
    assert quantity("effective_batch", **parts) == micro * passes
    assert quantity("effective_batch", devices=devices, **parts) == micro * passes * devices
    assert quantity("effective_batch", batch=3, devices=devices, **parts) == 3


@few
@given(rate, whole, whole)
def test_learning_rates_of_batches(lr: float, batch: int, reference: int) -> None:
    facts = {"reference_lr": lr, "reference_batch": reference, "batch": batch}
    root, linear = quantity("lr_sqrt", **facts), quantity("lr_linear", **facts)
    assert root == pytest.approx(math.sqrt(lr * linear))  # the root rule is halfway in the logarithm
    assert linear / batch == pytest.approx(lr / reference)


def test_the_published_adaptation_in_numbers() -> None:
    facts = {"steps": 2500, "micro_batch": 4, "accumulation": 16, "packing": True, "max_length": 2048}
    reference = {"reference_lr": 6.4e-4, "reference_batch": 1024}
    assert quantity("examples_consumed", **facts) == 160_000
    assert quantity("tokens_consumed", **facts) == 327_680_000
    assert quantity("corpus_share", corpus_examples=5_000_000, **facts) == 0.032
    assert quantity("offset_batch", data_offset_examples=2_560_000, **facts) == 1024
    assert quantity("lr_sqrt", **reference, **facts) == pytest.approx(1.6e-4)
    assert quantity("lr_linear", **reference, **facts) == pytest.approx(4e-5)


def test_learning_rates_that_bfloat16_loses() -> None:
    lost = quantity("lr_lost_in_bf16")
    below = np.array([0.02], np.float32).view(np.uint32) & 0xFFFF0000  # bfloat16 is the upper half of float32
    neighbours = np.concatenate([below, below + 0x10000]).view(np.float32)
    assert (neighbours[1] - neighbours[0]) / 2 == pytest.approx(lost)


@few
@given(st.floats(0.0, 0.99), whole, whole)
def test_warm_ups_as_steps_and_as_shares(share: float, steps: int, total: int) -> None:
    assert quantity("warmup", warmup_share=share, steps=total) == round(share * total)
    assert quantity("warmup_of_training", warmup_steps=steps, steps=total) == steps / total


@few
@given(st.integers(1, 5), st.integers(2, 4), st.floats(0.001, 1.5))
def test_rungs_within_the_warm_up(rungs: int, eta: int, share: float) -> None:
    facts = {"rungs": rungs, "reduction_factor": eta, "warmup_share": share}
    places = [1 / eta**power for power in range(rungs)]
    assert quantity("rungs_inside_warmup", **facts) == sum(place <= share for place in places)


@pytest.mark.parametrize(
    ("schedule", "decay", "rungs", "falls"),
    [
        ("constant", 0.2, 3, False),
        ("cosine", 0.2, 3, True),
        ("linear", 0.2, 1, False),
        ("wsd", 0.2, 3, False),
        ("wsd", 0.7, 3, True),
    ],
)
def test_decay_at_rungs(schedule: str, decay: float, rungs: int, falls: bool) -> None:
    facts = {"schedule": schedule, "decay_share": decay, "rungs": rungs, "reduction_factor": 3}
    assert quantity("decays_at_rungs", **facts) is falls


@few
@given(st.floats(0.1, 256), st.integers(1, 512))
def test_scales_of_lora(alpha: float, rank: int) -> None:
    plain = quantity("scale", alpha=alpha, rank=rank, rslora=False)
    stable = quantity("scale", alpha=alpha, rank=rank, rslora=True)
    assert plain == pytest.approx(alpha / rank)
    assert stable == pytest.approx(plain * math.sqrt(rank))


@few
@given(st.integers(1, 2000))
def test_none_of_some_questions(number: int) -> None:
    exact = binomtest(0, number).proportion_ci(method="wilson").high
    assert quantity("bound_of_none", eval_questions=number) == pytest.approx(exact, rel=1e-3)


def test_the_smallest_difference_is_seen_with_a_power_of_80_percent() -> None:
    number = 400
    difference = quantity("smallest_difference", eval_questions=number)
    draws = np.random.default_rng(0).binomial(
        number, [0.5 - difference / 2, 0.5 + difference / 2], (20_000, 2)
    )
    shares = draws / number
    noise = np.sqrt((shares * (1 - shares)).sum(axis=1) / number)
    assert np.mean(np.abs(shares[:, 1] - shares[:, 0]) > 1.96 * noise) == pytest.approx(0.8, abs=0.03)


@few
@given(st.floats(0.5, 0.99), whole)
def test_the_noise_of_the_floor(floor: float, questions: int) -> None:
    facts = {"retention_floor": floor, "retention_questions": questions}
    losses = quantity("floor_losses", **facts)
    within = 1.96 * math.sqrt(losses) / questions
    assert quantity("noise_of_floor", **facts) == pytest.approx(within)
    if abs(losses - 1.96**2) > 1e-6:
        assert (quantity("floor_base", **facts) > 1) == (within > 1 - floor)


@few
@given(st.integers(2, 8), st.integers(1, 3))
def test_fronts_by_chance(trials: int, objectives: int) -> None:
    points = np.random.default_rng(trials).random((4000, trials, objectives))
    dominates = np.all(points[:, :, None, :] < points[:, None, :, :], axis=-1)
    expected = 1 - np.any(dominates, axis=1).mean()
    assert quantity("front_by_chance", trials=trials, objectives=objectives) == pytest.approx(
        expected, abs=0.02
    )
