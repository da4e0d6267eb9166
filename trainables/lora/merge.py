"""Merges an adapter into the weights of its base, so that both are one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from trainables.errors import UserError, first_line
from trainables.models.linear import linear_layers
from trainables.models.load import fetch, load_tokenizer, load_weights, refusing
from trainables.models.resolve import ResolvedModel, resolve
from trainables.models.skeleton import configuration, quiet_libraries
from trainables.settings import ModelConfig

DEQUANTISED = (
    "The base was trained on in 4 bits (NF4). The adapter is merged into those weights, dequantised: the "
    "merged model computes what was trained, and differs from the base in full precision."
)


def merge_adapter(config: ModelConfig, adapter: Path, to: Path) -> str | None:
    """Writes the base with the adapter in its weights; `merge_and_unload` of PEFT in the base's own type.

    Args:
        config: The base that the adapter was trained on.
        adapter: Folder in PEFT format.
        to: Folder that is there; model and configuration are written into it, as safetensors.

    Returns:
        What must be known of the merged weights, in words; None where there is nothing.

    Raises:
        UserError: The base cannot be loaded, or the adapter does not fit it.
    """
    quiet_libraries()
    resolved = fetch(resolve(config), config)
    model = _whole(resolved, config)
    if config.quantization is not None:
        _take_rounded(model, resolved, config)
    try:
        tuned = PeftModel.from_pretrained(model, str(adapter))
        merged = tuned.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"The adapter does not merge into {config.name!r}: {first_line(error)}",
            hint="Export the adapter itself, which needs no merging.",
        ) from error
    merged.save_pretrained(to)
    return None if config.quantization is None else DEQUANTISED


def _whole(resolved: ResolvedModel, config: ModelConfig) -> PreTrainedModel:
    """The base with all its parts, in the type of its files."""
    how = {"revision": resolved.revision, "trust_remote_code": config.trust_remote_code}
    with refusing(resolved, config):
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            resolved.path_or_id,
            config=configuration(resolved.path_or_id, **how),
            dtype="auto",
            use_safetensors=True,
            **how,
        )
    return model.eval()


@torch.no_grad()
def _take_rounded(model: PreTrainedModel, resolved: ResolvedModel, config: ModelConfig) -> None:
    """Gives the layers that were kept in NF4 the weights that they had there."""
    tokenizer, _ = load_tokenizer(resolved, config)
    rounded: Any = load_weights(resolved, config, tokenizer, "cpu")
    layers = linear_layers(model)
    for name in linear_layers(rounded):
        kept: Any = rounded.get_submodule(name)
        if hasattr(kept, "dense"):
            weight = kept.dense()
            model.get_submodule(name).weight.copy_(weight.t() if layers[name].transposed else weight)
