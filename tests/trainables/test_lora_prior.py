"""What published runs say of LoRA's learning rate, for any model, adapter and budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.lora.parameters import LoraParameters
from trainables.lora.prior import lora_prior, model_size, published
from trainables.routing.parameters import RoutingParameters
from trainables.settings import ModelConfig

PRIOR = lora_prior(published())


@dataclass(frozen=True)
class Options:
    model: ModelConfig


def of(source: str) -> Options:
    return Options(ModelConfig(name="model", source=source))


def centre(source: str = "some/model-8B", steps: int | None = 780, **params: object) -> float:
    lora = LoraParameters.model_validate({"batch_size": 128, "rank": 16, "alpha": 32.0, **params})
    return PRIOR.believe(of(source), lora, steps, 1).centre


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("Qwen/Qwen3.5-35B-A3B", 35e9),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 30e9),
        ("openai/gpt-oss-120b", 120e9),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 135e6),
        ("mistralai/Mixtral-8x7B-v0.1", 56e9),
        ("google/gemma-2-2b-it", 2e9),
        ("google/gemma-3n-E4B-it", 4e9),
        ("openlm-research/open_llama_3b_v2", 3e9),
        ("stabilityai/stablelm-2-1_6b", 1.6e9),
        ("internlm/internlm2_5-1_8b-chat", 1.8e9),
        ("apple/OpenELM-1_1B-Instruct", 1.1e9),
        ("some/llama_2_7b_chat", 7e9),
        ("runs/run-2_70b-chat", 70e9),
        ("runs/checkpoint-1000_7b", 7e9),
        ("bigscience/bloomz-7b1-mt", 7.1e9),
        ("Qwen/Qwen1.5-0.5B-Chat", 0.5e9),
        ("some/llama-3-8b-4bit", 8e9),
        ("some/llama-3-4bit", None),
        ("microsoft/Phi-3-mini-4k-instruct", None),
        ("deepseek-ai/DeepSeek-V3.1", None),
        ("Qwen/Qwen3.5-Instruct", None),
    ],
)
def test_a_model_s_size_is_read_from_its_name(source: str, size: float | None) -> None:
    assert model_size(ModelConfig(name="m", source=source)) == size


def test_without_a_name_it_is_that_of_its_files() -> None:
    embedded = model_size(ModelConfig(name="m", source="embedded"))
    assert embedded is not None
    assert 1e5 < embedded < 1e7


def test_a_name_that_can_be_read_in_two_ways_is_checked_against_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "Llama-2_7b-hf"
    folder.mkdir()
    configured = ModelConfig(name="m", source=str(folder))
    assert model_size(configured) == 2.7e9
    (folder / "model.safetensors").write_bytes(bytes(14_000))
    assert model_size(configured) == 7000


@given(
    st.floats(1.0, 1000.0),
    st.integers(1, 256),
    st.floats(1.0, 512.0),
    st.integers(1, 512),
    st.integers(10, 20_000),
)
def test_larger_models_scales_and_budgets_want_less(
    billions: float, rank: int, alpha: float, batch: int, steps: int
) -> None:
    near = centre(f"m/m-{billions:.1f}B", steps, rank=rank, alpha=alpha, batch_size=batch)
    assert 0 < near < math.inf
    for other in (
        centre(f"m/m-{2 * billions + 1:.1f}B", steps, rank=rank, alpha=alpha, batch_size=batch),
        centre(f"m/m-{billions:.1f}B", 2 * steps, rank=rank, alpha=alpha, batch_size=batch),
        centre(f"m/m-{billions:.1f}B", steps, rank=rank, alpha=2 * alpha, batch_size=batch),
    ):
        assert other <= near
    assert centre(f"m/m-{billions:.1f}B", steps, rank=rank, alpha=alpha, batch_size=2 * batch) > near


@given(st.integers(1, 256), st.integers(1, 256))
def test_at_equal_alpha_all_ranks_want_the_same(one: int, other: int) -> None:
    assert centre(rank=one) == pytest.approx(centre(rank=other))
    per_rank = centre(rank=one, alpha=None, alpha_per_rank=32 / one)
    assert per_rank == pytest.approx(centre(rank=one))
    assert centre(loraplus_lr_ratio=16.0) < centre()
    assert centre(rank=one, rslora=True) <= centre(rank=one), "rslora acts like a larger rate"


def test_the_embedded_model_wants_about_a_thousandth() -> None:
    assert 5e-4 < centre("embedded", 90, batch_size=8, rank=16, alpha_per_rank=2.0, alpha=None) < 2e-3


def test_an_adapter_among_other_parameters() -> None:
    routing = RoutingParameters(rank=16, alpha=32.0, batch_size=128)
    prior = lora_prior(published(), "good")
    assert prior.believe(of("some/model-8B"), routing, 780, 1).centre == pytest.approx(centre())


def test_several_objectives_and_an_unknown_length_are_believed_in_as_well() -> None:
    lora = LoraParameters()
    alone, front = (PRIOR.believe(of("m/m-8B"), lora, None, count) for count in (1, 2))
    assert front.deviation > alone.deviation
    assert front.centre == alone.centre
