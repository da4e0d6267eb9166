"""A base model in NF4: it trains, evaluates and is saved as dense ones are, on every kind of layer."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from pydantic import ValidationError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from benchmarks.gpu.peak import peak_bytes
from search.run import main
from tests.trainables.families import OF_EACH_KIND, tiny
from tests.trainables.family_training import Trained, alone, distance, flat, train
from tests.trainables.model_folders import WEIGHT, Damage, edited, with_weights
from trainables import embedded
from trainables.errors import UserError
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.lora.memory import base_bytes
from trainables.lora.plan.shapes import model_shapes
from trainables.models.linear import LinearLayer, linear_layers
from trainables.models.load import load_base, load_tokenizer, load_weights
from trainables.models.resolve import resolve
from trainables.models.skeleton import quiet_libraries
from trainables.models.soundness import leave_out_other_parts
from trainables.settings import ModelConfig

pytest.importorskip("bitsandbytes")
from trainables.models.nf4 import Nf4Linear, empty, quantise_layers
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
IN_PLACE = ("llama-bias", "gpt2")
"""Kinds of layers to whose output the adapters' products are added in place where trials are alike."""
# Rows of whole blocks: for others the reference takes wrong scales.
SIZES = {"intermediate_size": 128, "shared_expert_intermediate_size": 64}
WIDEST = 0.304  # from the lowest value of NF4 to the next
CPU = torch.device("cpu")


def dense(folder: Path) -> PreTrainedModel:
    return tiny(folder.name, **SIZES)


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
    plain = dense(folder)
    layers = linear_layers(plain)
    others = [
        name for name, module in plain.named_modules() if isinstance(module, nn.Linear) and name not in layers
    ]
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=["lm_head", *others],
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
    tiny(request.param, whole=True, **SIZES).save_pretrained(path)
    return path


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=torch.arange(3, 15)[None], use_cache=False).logits
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40),
    st.integers(1, 20) | st.sampled_from([32, 50, 64, 96, 100, 160, 192]),
    st.sampled_from([torch.float32, torch.bfloat16]),
    st.booleans(),
)
def test_no_weight_moves_by_more_than_half_a_gap(
    outer: int, inner: int, dtype: torch.dtype, double_quant: bool
) -> None:
    """Whatever the length of rows: blocks run on from row to row."""
    exact = nn.Linear(inner, 2 * outer, dtype=dtype)
    layer = empty(LinearLayer(inner, 2 * outer, False), exact, double_quant)
    layer.quantise(exact.weight.data)
    before, after = (each.detach().float().flatten() for each in (exact.weight, layer.dense()))
    blocks = torch.nn.functional.pad(before, (0, -len(before) % 64)).view(-1, 64).abs().amax(1)
    scales = blocks.repeat_interleave(64)[: len(before)]
    slack = 0.02 * blocks.max()  # quantised scales, and bfloat16
    assert ((before - after).abs() <= WIDEST / 2 * scales + slack).all()


@pytest.mark.parametrize("family", [name for name in OF_EACH_KIND if name != "rwkv"])
def test_every_layer_that_can_be_adapted_is_quantised_as_it_is_read(family: str, tmp_path: Path) -> None:
    rounded, in_memory = tiny(family), tiny(family)
    tiny(family, whole=True).save_pretrained(tmp_path)
    model = loaded(tmp_path, quantization_config=Nf4Config())
    layers = linear_layers(rounded)
    assert {name for name, module in model.named_modules() if isinstance(module, Nf4Linear)} == set(layers)
    quantise_layers(in_memory)
    assert torch.equal(logits(model), logits(in_memory))
    for name, layer in layers.items():
        exact, weight = rounded.get_submodule(name).weight.data, model.get_submodule(name).dense()
        exact.copy_(weight.t() if layer.transposed else weight)
    torch.testing.assert_close(logits(model), logits(rounded), rtol=1e-4, atol=1e-5)


def test_trials_in_a_pack_train_as_plain_peft_does_alone_on_a_base_of_bitsandbytes(folder: Path) -> None:
    for kind in ("unequal", "equal") if folder.name in IN_PLACE else ("unequal",):
        assert_plain(train(loaded(folder, quantization_config=Nf4Config()), kind), folder)


def assert_plain(found: Trained, folder: Path) -> None:
    layers = linear_layers(dense(folder))
    for trial, grads in zip(found.trials, found.grads, strict=True):
        losses, weights, expected = alone(reference(folder), trial.params, layers)
        assert trial.slice.losses == pytest.approx(losses, rel=1e-5)
        ours = found.weights(trial)
        assert ours.keys() == weights.keys()
        assert distance(torch.cat([ours[k].flatten() for k in weights]), flat(weights)) <= 1e-3
        assert distance(grads, expected) <= 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["llama-bias", "gpt2"])
def test_evaluation_leaves_training_as_it_is(family: str, dtype: torch.dtype) -> None:
    """bitsandbytes would repack weights in evaluation, and then compute otherwise and without gradients."""
    found = []
    for evaluates in (False, True):
        model: Any = tiny(family, dtype)
        quantise_layers(model)
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        scored = evaluated(model) if evaluates else None
        trained = train(model, "equal")
        if scored is not None:
            adapters = trained.adapters
            with adapters.inactive():
                assert evaluated(model) == scored
        now = {name.replace(".base_layer", ""): weight for name, weight in model.state_dict().items()}
        assert all(torch.equal(weight, now[name]) for name, weight in before.items())
        found.append(trained)
    for one, other in zip(*(each.grads for each in found), strict=True):
        assert one.norm() > 0
        assert torch.equal(one, other)


def evaluated(model: Any) -> tuple[Any, Any]:
    """Replies and likelihoods."""
    prompts, options = [[5, 9, 12, 30], [7, 3]], [[[7, 8], [9]], [[4], [10, 11]]]
    forward = Forward(model)
    with forward.evaluating():
        replies = generate(forward, prompts, copies=1, ends={2}, pad_id=0, max_new_tokens=5, batch_size=3)[0]
        scores = score_continuations(forward, prompts, options, copies=1, pad_id=0, batch_size=3)[0]
    return replies, scores


def test_a_saved_adapter_loads_onto_a_base_of_bitsandbytes_and_onto_the_dense_one(
    folder: Path, tmp_path: Path
) -> None:
    found = train(loaded(folder, quantization_config=Nf4Config()))
    trial = found.trials[0]
    found.adapters.save(trial.name, tmp_path)
    found.adapters.arrange([trial.name])
    with found.adapters.active(1):
        found.adapters.lay_out_active([1])
        ours = logits(found.adapters.base)
    theirs = logits(PeftModel.from_pretrained(reference(folder), str(tmp_path)).eval())
    assert (ours - theirs).abs().max() <= 1e-4 * ours.abs().max()
    plain = loaded(folder)
    before = logits(plain)
    on_dense = logits(PeftModel.from_pretrained(plain, str(tmp_path)).eval())
    # The same change of another base: closer to ours than either base is.
    assert (on_dense - before).abs().max() > 1e-2
    assert distance(on_dense, ours) < 2 * distance(before, logits(reference(folder)))


def embedded_model(**changes: Any) -> ModelConfig:
    return ModelConfig(name="embedded", source="embedded", **changes)


def test_a_model_is_loaded_without_the_dense_one() -> None:
    config = embedded_model(quantization="nf4")
    base, _ = load_base(resolve(embedded_model()), embedded_model(), CPU)
    dense_bytes = sum(weight.nbytes for weight in base.parameters())
    tokenizer, _ = load_tokenizer(resolve(config), config)
    kept: list[Any] = []
    peak = peak_bytes(lambda: kept.append(load_weights(resolve(config), config, tokenizer, CPU)), CPU)
    (model,) = kept
    mapped = (embedded.model_dir() / "model.safetensors").stat().st_size  # counted, though it takes nothing
    assert peak - mapped < 0.3 * dense_bytes
    head = model.get_output_embeddings()
    assert type(head) is nn.Linear
    assert head.weight is model.get_input_embeddings().weight
    assert not any(weight.requires_grad for weight in model.parameters())
    assert resolve(config).fingerprint != resolve(embedded_model()).fingerprint
    coarse = embedded_model(quantization="nf4", double_quant=False)
    assert len({resolve(each).fingerprint for each in (config, coarse, embedded_model())}) == 3


@pytest.mark.parametrize("double_quant", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_plan_knows_what_the_base_takes(dtype: torch.dtype, double_quant: bool) -> None:
    config = embedded_model(
        quantization="nf4", double_quant=double_quant, dtype=str(dtype).removeprefix("torch.")
    )
    model, _ = load_base(resolve(config), config, CPU)
    held = sum(weight.nbytes for weight in model.parameters())
    for module in model.modules():
        if isinstance(module, Nf4Linear):
            state = module.weight.quant_state
            own = [state.absmax, state.code]
            own += [state.offset, state.state2.absmax, state.state2.code] if double_quant else []
            held += sum(each.nbytes for each in own)
    shapes = model_shapes(config)
    assert shapes is not None
    assert base_bytes(shapes.parameters, shapes.linear, config, dtype == torch.bfloat16) == held


def with_model(tmp_path: Path, *damages: Damage) -> ModelConfig:
    """A copy of the embedded model with something done to it, to be quantised."""
    folder = Path(shutil.copytree(embedded.model_dir(), tmp_path / "model"))
    for damage in damages:
        damage(folder)
    return ModelConfig(name="model", source=str(folder), quantization="nf4")


@pytest.mark.parametrize(
    ("damage", "said"),
    {
        "nan": (with_weights(**{WEIGHT: torch.full((384, 128), math.nan)}), "holds NaN or infinity"),
        "inf": (with_weights(**{WEIGHT: torch.full((384, 128), math.inf)}), "holds NaN or infinity"),
        "shape": (with_weights(**{WEIGHT: torch.zeros(383, 128)}), "has the shape 383 x 128 in the files"),
    }.values(),
)
def test_damaged_weights_are_named_before_they_are_quantised(
    damage: Damage, said: str, tmp_path: Path
) -> None:
    config = with_model(tmp_path, damage)
    with pytest.raises(UserError, match=f"{WEIGHT.replace('__', '.')} {said}"):
        load_base(resolve(config), config, CPU)


@pytest.mark.parametrize("method", ["gptq", "awq", "fp8", "bitsandbytes", "mxfp4", "gguf"])
def test_a_model_that_is_quantised_already_is_refused(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_model(tmp_path, edited("config.json", quantization_config={"quant_method": method}))
    said = rf"config\.json: the weights are quantised already \({method}\)"
    with pytest.raises(UserError, match=said):
        resolve(config)
    asked = ["space=demo", f"model.source={config.source}", "model.quantization=nf4", f"out={tmp_path}"]
    assert main([*asked, "--plan"]) == 2
    assert "quantised already" in capsys.readouterr().err


def test_code_that_would_requantise_weights_is_refused(tmp_path: Path) -> None:
    config = with_model(tmp_path, edited("config.json", model_type="rwkv"))
    with pytest.raises(UserError, match="models of type rwkv cannot be quantised"):
        resolve(config)


def test_without_bitsandbytes_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert main(["space=demo", "model.quantization=nf4", f"out={tmp_path}", "--plan"]) == 2
    said = capsys.readouterr().err
    assert "model.quantization" in said
    assert "pip install 'tightrope[quantized]'" in said
    assert not [*tmp_path.iterdir()]


def test_starts_that_are_subtracted_from_the_weights_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["space=demo", "fixed.init_lora_weights=pissa", f"out={tmp_path}", "--plan"]
    assert main(asked) == 0
    assert main([*asked, "model.quantization=nf4"]) == 2
    said = capsys.readouterr().err
    assert "fixed.init_lora_weights" in said
    assert "would have to be quantised again" in said


def test_double_quantisation_is_for_quantised_models_only() -> None:
    with pytest.raises(ValidationError, match="double_quant is for quantised models"):
        embedded_model(double_quant=False)
