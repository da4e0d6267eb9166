"""What a trial's parameters say: where adapters go, and the learning rate of each step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainables.families import tiny
from tests.trainables.small import tiny_llama
from trainables.errors import UserError
from trainables.lora.adapters import Adapters
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.linear import linear_layers
from trainables.serving.schedule import learning_rate, warmup_steps


def test_target_modules_and_first_layers_are_selected() -> None:
    linear = list(linear_layers(tiny_llama()))
    assert not any("lm_head" in name for name in linear)
    attention = select_modules(linear, LoraParameters(target_modules="attention", layers=2))
    assert {name.rsplit(".", 1)[-1] for name in attention} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert {name.split(".")[2] for name in attention} == {"0", "1"}
    with pytest.raises(UserError, match="no linear layer"):
        select_modules([], LoraParameters())


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"init_lora_weights": "orthogonal", "rank": 3}, "needs an even rank"),
        ({"init_lora_weights": "pissa", "dropout": 0.1}, "needs dropout=0"),
        ({"init_lora_weights": "eva"}, "'gaussian', 'orthogonal'"),
        ({"use_dora": True, "dropout": 0.1}, "needs dropout=0"),
        ({"loraplus_lr_ratio": 0.5}, "greater than or equal to 1"),
    ],
)
def test_variants_say_what_they_need(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LoraParameters(**params)


def test_a_start_has_no_more_ranks_than_the_weight() -> None:
    adapters = Adapters(tiny_llama(), "tiny")
    with pytest.raises(UserError, match=r"k_proj has only 16 singular values"):
        adapters.add("trial", LoraParameters(init_lora_weights="pissa", rank=17))
    adapters.add("trial", LoraParameters(init_lora_weights="pissa", rank=17, target_modules="mlp"))


def test_magnitudes_are_refused_where_peft_could_not_load_them() -> None:
    adapters = Adapters(tiny("qwen3_moe"), "tiny")
    with pytest.raises(UserError, match=r"use_dora is not possible on model\.layers\.0\.mlp\.gate_proj"):
        adapters.add("trial", LoraParameters(use_dora=True))
    adapters.add("trial", LoraParameters(use_dora=True, target_modules="attention"))


@given(
    st.builds(
        LoraParameters,
        warmup=st.floats(0, 50),
        schedule=st.sampled_from(["wsd", "constant", "linear", "cosine"]),
        decay=st.floats(0, 1),
    ),
    st.integers(1, 200),
)
def test_schedules_stay_within_bounds_and_warm_up_first(params: LoraParameters, total: int) -> None:
    rates = [learning_rate(params, step, total) for step in range(total)]
    assert all(0 < rate <= params.lr * (1 + 1e-9) for rate in rates)
    warm = warmup_steps(params, total)
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)


def test_wsd_rates_before_the_decay_do_not_depend_on_the_budget() -> None:
    short = LoraParameters(warmup=5, decay=0.2)
    assert [learning_rate(short, step, 50) for step in range(40)] == [
        learning_rate(short, step, 100) for step in range(40)
    ]
