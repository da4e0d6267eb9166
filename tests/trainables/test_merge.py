"""A merged model computes what the base and the adapter compute together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.trainables.families import tiny
from trainables import embedded
from trainables.lora.adapters import Adapters
from trainables.lora.merge import DEQUANTISED, merge_adapter
from trainables.lora.parameters import LoraParameters
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.settings import ModelConfig

VOCABULARY = 1280
"""Rows of the embedding that the embedded tokenizer needs."""


def make_base(family: str, folder: Path, dtype: torch.dtype = torch.float32) -> ModelConfig:
    """A saved model of the family, with the embedded model's tokenizer."""
    tiny(family, dtype, whole=True, vocab_size=VOCABULARY).save_pretrained(folder)
    for file in embedded.model_dir().glob("*"):
        if file.name.startswith(("tokenizer", "chat")):
            shutil.copy(file, folder)
    return ModelConfig(name=family, source=str(folder))


def make_adapter(config: ModelConfig, folder: Path) -> None:
    """An adapter that changes every layer, saved as trials save theirs."""
    model, _ = load_base(resolve(config), config, "cpu")
    adapters = Adapters(model, config.source)
    params = LoraParameters(rank=4, alpha=8, use_dora=config.name == "llama")
    adapters.add("trial", params)
    adapters.begin("trial", params)
    torch.manual_seed(1)
    for _, b in adapters.factors("trial").values():
        b.copy_(0.05 * torch.randn(b.shape))
    adapters.save("trial", folder)


def logits(model: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        computed: Tensor = model.eval()(input_ids=torch.arange(3, 15)[None], use_cache=False).logits
    return computed.float()


@pytest.mark.parametrize("family", ["llama", "phi3", "gpt2"])
def test_merged_logits_are_those_of_the_adapter(family: str, tmp_path: Path) -> None:
    """Dense, with fused projections, and with transposed weights."""
    config = make_base(family, tmp_path / "base")
    make_adapter(config, tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    assert merge_adapter(config, tmp_path / "adapter", tmp_path / "merged") is None
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    plain = logits(base)
    tuned = logits(PeftModel.from_pretrained(base, str(tmp_path / "adapter")))
    merged = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"))
    assert (tuned - plain).abs().max() > 0.1
    torch.testing.assert_close(merged, tuned, atol=1e-4, rtol=1e-4)
    assert {path.suffix for path in (tmp_path / "merged").iterdir()} <= {".json", ".safetensors"}


def test_the_type_is_that_of_the_base(tmp_path: Path) -> None:
    config = make_base("llama", tmp_path / "base", torch.bfloat16)
    make_adapter(config, tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    merge_adapter(config, tmp_path / "adapter", tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert {weight.dtype for weight in merged.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("family", ["phi3", "gpt2"])
def test_a_base_in_4_bits_is_merged_as_it_was_trained_on(family: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    config = make_base(family, tmp_path / "base").model_copy(update={"quantization": "nf4"})
    make_adapter(config, tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    assert merge_adapter(config, tmp_path / "adapter", tmp_path / "merged") == DEQUANTISED
    rounded, _ = load_base(resolve(config), config, "cpu")
    plain = logits(rounded)
    tuned = logits(PeftModel.from_pretrained(rounded, str(tmp_path / "adapter")))
    merged = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"))
    assert (tuned - plain).abs().max() > 0.1
    torch.testing.assert_close(merged, tuned, atol=1e-3, rtol=1e-3)
