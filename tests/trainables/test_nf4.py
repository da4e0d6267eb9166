"""A base model in NF4: it trains, evaluates and is saved as dense ones are, on every kind of layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from tests.trainables.families import tiny
from tests.trainables.family_training import PACKS, alone, distance, flat, train
from trainables.models.linear import linear_layers
from trainables.models.skeleton import quiet_libraries
from trainables.models.soundness import leave_out_other_parts

pytest.importorskip("bitsandbytes")
from trainables.models.nf4 import Nf4Linear, quantise_layers
from trainables.models.nf4_loading import Nf4Config

pytestmark = pytest.mark.integration

KINDS = (
    "llama-bias",
    "llama-tied",
    "qwen2",
    "phi3",
    "gpt2",
    "falcon",
    "mixtral",
    "qwen2_moe",
    "gemma3",
    "jamba",
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def quiet(group_of_one: None) -> None:
    quiet_libraries()


def loaded(folder: Path, dtype: torch.dtype = torch.float32, **how: Any) -> PreTrainedModel:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **how)
    leave_out_other_parts(model)
    model.requires_grad_(False)
    return model.eval()


def reference(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """As transformers and bitsandbytes make it, without the format for AVX-512, which rounds."""
    layers = linear_layers(tiny(folder.name))
    dense = [
        name
        for name, module in tiny(folder.name).named_modules()
        if isinstance(module, nn.Linear) and name not in layers
    ]
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=["lm_head", *dense],
    )
    model = loaded(folder, dtype, quantization_config=config)
    quantise_layers(model)  # of classes that transformers leaves dense
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of the family that it is named after."""
    path: Path = tmp_path_factory.mktemp("models") / request.param
    tiny(request.param, whole=True).save_pretrained(path)
    return path


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=torch.arange(3, 15)[None], use_cache=False).logits
    return found


def test_every_layer_that_can_be_adapted_is_quantised_as_it_is_read(folder: Path) -> None:
    model, dense = loaded(folder, quantization_config=Nf4Config()), tiny(folder.name)
    layers = linear_layers(dense)
    assert {name for name, module in model.named_modules() if isinstance(module, Nf4Linear)} == set(layers)
    quantise_layers(dense)
    # What is read from files is what is made of a model in memory; and either computes with the rounded weights.
    assert torch.equal(logits(model), logits(dense))
    rounded = tiny(folder.name)
    for name, layer in layers.items():
        weight = model.get_submodule(name).dense()
        exact = rounded.get_submodule(name).weight.data
        worst = (weight - (exact.t() if layer.transposed else exact)).abs().max()
        assert 0 < worst < 0.2 * exact.abs().max()
        exact.copy_(weight.t() if layer.transposed else weight)
    torch.testing.assert_close(logits(model), logits(rounded), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", PACKS)
def test_trials_in_a_pack_train_as_plain_peft_does_alone_on_a_base_of_bitsandbytes(
    folder: Path, kind: str
) -> None:
    found = train(loaded(folder, quantization_config=Nf4Config()), kind)
    for trial, grads in zip(found.trials, found.grads, strict=True):
        losses, weights, expected = alone(reference(folder), trial.params, linear_layers(tiny(folder.name)))
        assert trial.slice.losses == pytest.approx(losses, rel=1e-5)
        ours = found.weights(trial)
        assert ours.keys() == weights.keys()
        assert distance(torch.cat([ours[k].flatten() for k in weights]), flat(weights)) <= 1e-3
        assert distance(grads, expected) <= 1e-3
