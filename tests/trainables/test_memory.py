"""The memory that the plan expects is what training takes, allocation by allocation."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from benchmarks.gpu.peak import peak_bytes
from benchmarks.gpu.shapes import sizes, started, work
from benchmarks.packing.bases import random_base
from tests.trainables.conforming import serving, settings
from trainables.adaptation.checks import look
from trainables.adaptation.costs import Sizes, trial_bytes
from trainables.adaptation.parameters import AdaptationParameters
from trainables.lora.memory import adapter_bytes, pass_bytes
from trainables.lora.plan.shapes import model_shapes
from trainables.planning import PlannedWorkers, PlanRequest

pytestmark = pytest.mark.integration

CPU = torch.device("cpu")
SLOTS, BATCH, LENGTH, RANK = 2, 2, 64, 8
FAMILIES = {
    "llama": {},
    "qwen2": {},
    "gemma": {"head_dim": 32},
    "starcoder2": {},  # no gate
    "phi": {},
}


def base(family: str, layers: int, vocabulary: int, dtype: torch.dtype) -> torch.nn.Module:
    config = AutoConfig.for_model(
        family,
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
        **FAMILIES[family],
    )
    return random_base(config, CPU).to(dtype)


def ratio(
    family: str,
    layers: int,
    vocabulary: int,
    dtype: torch.dtype,
    checkpointing: bool,
    quantised: bool = False,
    batch: int = BATCH,
) -> float:
    """Expected memory of a pass, as a share of what a step really allocates."""
    model = base(family, layers, vocabulary, dtype)
    if quantised:
        from trainables.models.nf4 import quantise_layers

        quantise_layers(model)
    pack, _ = started(work(model, SLOTS, batch, LENGTH, RANK), checkpointing)
    pack.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measured = peak_bytes(pack.step, CPU)
    tokens = SLOTS * batch * LENGTH
    half = dtype == torch.bfloat16
    return pass_bytes(sizes(model), tokens, RANK, half, checkpointing, "cpu", quantised) / measured


_LAYERS, _WORDS = (6, 128), (2, 6000)
"""Numbers of layers and words of which most of the memory goes to the ones or to the others."""


@pytest.mark.parametrize(
    ("family", "size", "dtype", "checkpointing"),
    [
        *product(["llama"], [_LAYERS, _WORDS], [torch.float32, torch.bfloat16], [False, True]),
        ("qwen2", _LAYERS, torch.float32, True),
        ("qwen2", _WORDS, torch.bfloat16, False),
        ("gemma", _LAYERS, torch.bfloat16, False),
        ("gemma", _WORDS, torch.float32, True),
    ],
)
def test_a_pass_takes_what_is_expected(
    family: str, size: tuple[int, int], dtype: torch.dtype, checkpointing: bool
) -> None:
    assert 0.9 < ratio(family, *size, dtype, checkpointing) < 1.1


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_pass_on_a_quantised_base_takes_what_is_expected(dtype: torch.dtype, checkpointing: bool) -> None:
    """With few tokens, so that dequantised weights count."""
    assert 0.9 < ratio("llama", 6, 128, dtype, checkpointing, quantised=True, batch=1) < 1.1


@pytest.mark.parametrize("family", ["starcoder2", "phi"])
def test_other_blocks_take_roughly_what_is_expected(family: str) -> None:
    assert 0.6 < ratio(family, 6, 128, torch.bfloat16, False) < 1.4


@pytest.mark.parametrize(("stage2", "batch"), [("full", 2), ("lora", 16)])
def test_a_trial_with_its_own_tables_takes_what_is_expected(stage2: str, batch: int, tmp_path: Path) -> None:
    given = settings("adaptation", tmp_path)
    held = serving(given).held
    params = AdaptationParameters(stage1=0.0, stage2=stage2, batch_size=batch, rank=4)
    trial = held.add("0", params)
    held.start(trial, 3)
    held.step(False)  # moments are made
    kept = sum(3 * weight.nbytes for weight in trial.weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measured = kept + peak_bytes(lambda: held.step(False), CPU)
    shapes = model_shapes(given.options.model)
    assert shapes is not None
    request = PlanRequest(
        options=given.options,
        seed=0,
        trials=(),
        possible={},
        searched=frozenset(),
        workers=PlannedWorkers(1, 1.0, 0.0, 1, 1, 0, None, False),
    )
    planned_sizes = Sizes.of(given.options, shapes, 1, look(given.options, given.seed))
    expected = trial_bytes(request, planned_sizes, params)
    assert 0.9 < expected / measured < 1.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_takes_what_is_expected(dtype: torch.dtype) -> None:
    model = base("llama", 2, 128, dtype)
    given = work(model, 1, BATCH, LENGTH, RANK)
    _, adapters = started(given)
    arena = adapters.arena
    held = sum(part.nbytes for part in (arena.weights, arena.first, arena.second))
    held += arena.grads[:, : arena.columns].numel() * arena.grads.element_size()
    if dtype == torch.bfloat16:
        held += 2 * arena.weights.numel()
    trainable = sum(RANK * sum(pair) for pair in sizes(model).linear.values())
    assert held == adapter_bytes(trainable, dtype == torch.bfloat16)
