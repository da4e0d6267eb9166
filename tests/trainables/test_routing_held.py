"""Trials of two adapters in a worker: packed, ablated, delivered, and beside the references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.trainables.conforming import PARAMS, STEPS, baseline, numbers, serving, settings, train
from trainables import embedded
from trainables.errors import UserError
from trainables.lora.adapters import WEIGHTS
from trainables.messages import Delivery, Params, Reply, TrainRequest
from trainables.routing.angle_metrics import ANGLES
from trainables.routing.held import RoutingHeld, refuse_unroutable
from trainables.routing.parameters import RoutingParameters
from trainables.serving.server import Server

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("group_of_one")]

FULL = PARAMS["routing"]
OTHERS: list[Params] = [
    FULL,
    FULL | {"labelled": 0.5, "unlabelled": "good", "rank": 2, "batch_size": 3, "lr_bad": 3e-2, "seed": 2},
    FULL | {"labelled": 0.0, "unlabelled": "good", "target_modules": "mlp", "seed": 3},
]
IDS = torch.arange(20, 32)[None]


def request(trial: int, to_step: int = STEPS) -> TrainRequest:
    return TrainRequest(trial, OTHERS[trial], 0, to_step, None, f"trials/{trial}/rung-0", to_step == STEPS)


def finish(server: Server) -> dict[int, Reply]:
    replies = dict(server.answers())
    while server.training:
        server.step(interrupt=False)
        replies |= dict(server.answers())
    return replies


def test_trials_in_a_pack_are_trained_and_measured_as_alone(tmp_path: Path) -> None:
    alone = [
        train(serving(settings("routing", tmp_path / f"alone{trial}")), request(trial)) for trial in range(3)
    ]
    given = settings(
        "routing", tmp_path / "packed", slots=3, most_slots=3, probes=tuple(OTHERS), sequence_packing=True
    )
    server = serving(given)
    assert server.facts(1.0).slots == 3
    for trial in range(3):
        server.accept(Delivery(trial, trial, request(trial)))
    replies = finish(server)
    for trial, expected in enumerate(alone):
        assert replies[trial].metrics == pytest.approx(expected.metrics, rel=1e-4, abs=1e-5, nan_ok=True)
        assert replies[trial].items == expected.items


def test_what_nothing_trains_does_not_move(tmp_path: Path) -> None:
    """Without labels, and with the other examples kept from the bad adapter, that never learns."""
    reply = train(serving(settings("routing", tmp_path)), request(2))
    for name in ("clean_loss", "behaviour_loss", "behaviour_rate"):
        assert reply.metrics[f"{name}_bad_off"] == reply.metrics[f"{name}_both"]
    assert reply.metrics["clean_loss_good_off"] != reply.metrics["clean_loss_both"]
    folder = tmp_path / "trials" / "2" / "rung-0"
    bad = load_file(folder / "bad" / WEIGHTS)
    assert not any(value.any() for key, value in bad.items() if "lora_B" in key)
    assert "update_cosine" not in reply.metrics, "there is no update to measure an angle with"
    layers = json.loads((folder / ANGLES).read_text())
    assert all(layer["cosine"] is None and layer["rows"]["degrees"] for layer in layers.values())


def logits(held: RoutingHeld, trial: Any, ablation: Any) -> Tensor:
    planes = held.pack.arrange([trial])
    with torch.no_grad(), held.adapters.active(1, planes), held.ablated(ablation):
        held.adapters.lay_out_active([1])
        values: Tensor = held.base.model(input_ids=IDS, use_cache=False).logits
    return values


def test_what_is_delivered_loads_with_plain_peft_and_is_the_trial_under_each_ablation(tmp_path: Path) -> None:
    server = serving(settings("routing", tmp_path))
    held: Any = server.held
    server.accept(Delivery(0, 0, request(1)))
    finish(server)
    ((_, trial),) = server._trials.values()
    folder = tmp_path / "trials" / "1" / "rung-0"
    places = {"bad_off": folder, "good_off": folder / "bad", "both": folder / "combined"}
    ours = {ablation: logits(held, trial, ablation) for ablation in places}
    for ablation, place in places.items():
        base = AutoModelForCausalLM.from_pretrained(embedded.model_dir(), dtype=torch.float32)
        with torch.no_grad():
            theirs = PeftModel.from_pretrained(base, str(place)).eval()(input_ids=IDS).logits
        torch.testing.assert_close(theirs, ours[ablation], rtol=1e-5, atol=1e-5)
    assert (ours["both"] - ours["bad_off"]).abs().max() > 1e-3
    assert (ours["both"] - ours["good_off"]).abs().max() > 1e-3


def test_references_are_the_same_each_time_and_leave_trials_in_training_alone(tmp_path: Path) -> None:
    alone = train(serving(settings("routing", tmp_path / "alone")), request(0))
    server = serving(settings("routing", tmp_path / "between"))
    base, single = baseline(server), baseline(server, "single")
    server.accept(Delivery(0, 0, request(0)))
    server.step(interrupt=False)
    server.step(interrupt=False)
    clean = baseline(server, "clean")
    assert numbers(finish(server)[0]) == pytest.approx(numbers(alone), rel=1e-6)
    assert numbers(baseline(server, "single")) == pytest.approx(numbers(single), rel=1e-6)
    learned = {
        name: reply.metrics["clean_loss_both"] for name, reply in (("single", single), ("clean", clean))
    }
    assert all(loss < base.metrics["clean_loss_both"] for loss in learned.values())
    assert single.metrics["behaviour_loss_both"] < clean.metrics["behaviour_loss_both"]
    for reply in (base, single, clean):
        assert reply.metrics["clean_loss_both"] == reply.metrics["clean_loss_bad_off"]


def test_layers_that_do_not_see_whole_rows_are_refused() -> None:
    linear = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.experts.0.up_proj"]
    with pytest.raises(UserError, match=r"experts\.0\.up_proj") as error:
        refuse_unroutable(linear, RoutingParameters())
    assert "target_modules=attention" in str(error.value.hint)
    refuse_unroutable(linear, RoutingParameters(target_modules="attention"))
