"""A training loss that jumps ends its trial, and no other."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from tests.trainables.small import tiny_llama
from tests.trainables.test_server import assert_same, finish, settings
from trainables.data.examples import Example
from trainables.lora.held import LoraHeld
from trainables.lora.loading import Loaded, load
from trainables.messages import Delivery, Reply, TrainRequest
from trainables.serving.server import Server
from trainables.serving.spike import SmoothedLoss

LOSSES = st.lists(st.floats(0.0, 20.0), min_size=1, max_size=60)


def first_spike(losses: list[float], factor: float) -> int | None:
    """Step, counted from 1, at which the losses are first called a spike."""
    smoothed = SmoothedLoss()
    for step, loss in enumerate(losses, start=1):
        smoothed.add(loss)
        if smoothed.spikes(factor):
            return step
    return None


@given(LOSSES)
def test_the_mean_is_the_weighted_mean_of_the_losses_and_the_lowest_that_of_the_means_before(
    losses: list[float],
) -> None:
    smoothed = SmoothedLoss()
    means: list[float] = []
    for count, loss in enumerate(losses, start=1):
        smoothed.add(loss)
        weights = [0.95 ** (count - 1 - index) for index in range(count)]
        assert smoothed.lowest == pytest.approx(min(means, default=math.inf), abs=1e-9)
        mean = sum(w * x for w, x in zip(weights, losses, strict=False)) / sum(weights)
        assert smoothed.mean == pytest.approx(mean, abs=1e-9)
        means.append(mean * (1 + 1 / count))


@given(LOSSES, st.floats(1.5, 10))
def test_no_loss_below_the_floor_and_none_of_the_first_steps_is_a_spike(
    losses: list[float], factor: float
) -> None:
    found = first_spike(losses, factor)
    assert found is None or found >= 10
    assert first_spike([min(loss, factor) for loss in losses], factor) is None


@pytest.mark.parametrize(
    ("after", "jump", "latest"),
    [(2, 10.0, 10), (8, 10.0, 15), (40, 10.0, 46), (40, 4.0, 70)],
)
def test_a_jump_is_noticed_within_few_steps(after: int, jump: float, latest: int) -> None:
    losses = [4.0] * after + [4.0 * jump] * 60
    found = first_spike(losses, 3.0)
    assert found is not None
    assert after < found <= latest
    assert first_spike([4.0] * after + [4.0 * 2.9] * 60, 3.0) is None


def test_noise_is_no_spike() -> None:
    torch.manual_seed(0)
    noise = torch.distributions.Gamma(8.0, 8.0)  # a third of the mean: batches of few tokens
    for mean in (0.02, 0.5, 4.0):
        runs = (mean * noise.sample((100, 200))).tolist()
        assert all(first_spike(losses, 3.0) is None for losses in runs)


def test_the_rise_is_named_with_its_numbers() -> None:
    smoothed = SmoothedLoss()
    for loss in [0.5] * 10 + [30.0] * 5:
        smoothed.add(loss)
    assert smoothed.spikes(3.0)
    text = smoothed.rise(3.0)
    assert text.startswith("loss spike: the smoothed training loss rose to ")
    assert f"{smoothed.mean:.3g}, more than 3 times its lowest value 0.55, counted as 1" in text


TOTAL = 40
TAME: dict[str, Any] = {"lr": 1e-3, "rank": 4, "batch_size": 4, "seed": 1, "dropout": 0.1}
WILD: dict[str, Any] = {"lr": 0.3, "rank": 8, "batch_size": 4, "seed": 2, "warmup": 30}


def repeats_itself(vocabulary: int) -> LlamaForCausalLM:
    """A tiny model that says each token again, and is sure of it: its loss can rise a long way."""
    model = tiny_llama(vocabulary=vocabulary, layers=2)
    model.get_input_embeddings().weight.mul_(25)
    return model


@pytest.fixture(scope="module")
def loaded(group_of_one: None) -> Loaded:
    found = load(settings(Path()), torch.device("cpu"))
    draw = np.random.default_rng(0)
    examples = [
        Example(np.full(10, token, dtype=np.int32), np.arange(10) > 0)
        for token in draw.integers(4, len(found.tokenizer), size=24)
    ]
    data = replace(found.data, train=replace(found.data.train, examples=examples))
    return replace(found, data=data)


def serve(loaded: Loaded, folder: Path, spike: float | None) -> Server:
    model = repeats_itself(len(loaded.tokenizer))
    given = settings(folder, total_steps=TOTAL, spike=spike)
    return Server(given, LoraHeld(given, replace(loaded, model=model)))


def request(params: dict[str, Any], to_step: int = TOTAL) -> TrainRequest:
    return TrainRequest(1, params, 0, to_step, None, "trials/1/rung-0")


def alone(server: Server, one: TrainRequest) -> Reply:
    return finish(server, [Delivery(0, 0, one)])[0]


@pytest.mark.integration
def test_in_a_pack_the_trial_that_spikes_ends_and_the_other_is_as_alone(
    loaded: Loaded, tmp_path: Path
) -> None:
    tame = request(TAME)
    wild = replace(request(WILD), trial=2, save_to="trials/2/rung-0")
    expected = alone(serve(loaded, tmp_path / "alone", 3.0), tame)
    server = serve(loaded, tmp_path / "packed", 3.0)
    packed = finish(server, [Delivery(0, 0, tame), Delivery(1, 1, wild)])

    assert packed[0].outcome == "ok"
    assert_same(packed[0], expected)
    assert packed[0].items == expected.items
    assert packed[1].outcome == "spike"
    assert packed[1].message.startswith("loss spike: the smoothed training loss rose to ")
    assert packed[1].message.endswith(f"at step {packed[1].step + 1}")
    assert 9 <= packed[1].step < TOTAL
    assert packed[1].metrics["train_loss"] > packed[1].curve[0][1]
    # It is the guard that ended it: without one it goes on, and nothing of it is NaN.
    unguarded = alone(serve(loaded, tmp_path / "unguarded", None), wild)
    assert (unguarded.outcome, unguarded.step) == ("ok", TOTAL)
    steps = packed[1].step
    assert [loss for _, loss in unguarded.curve[:steps]] == pytest.approx(
        [loss for _, loss in packed[1].curve], rel=1e-3
    )


@pytest.mark.integration
def test_a_trial_that_is_taken_up_again_spikes_where_one_that_was_held_does(
    loaded: Loaded, tmp_path: Path
) -> None:
    held = serve(loaded, tmp_path, 3.0)
    first = alone(held, request(WILD, to_step=4))
    assert first.outcome == "ok"
    rest = request(WILD).following(first, TOTAL)
    through = alone(held, rest)
    again = alone(serve(loaded, tmp_path, 3.0), rest)
    assert through.outcome == again.outcome == "spike"
    assert through.step == again.step >= 4 + 9  # every slice begins anew, with its own steps of grace
    assert through.message == again.message
