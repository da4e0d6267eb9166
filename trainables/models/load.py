"""Loads the frozen base model and its tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from trainables.errors import UserError
from trainables.models.quiet import quiet_libraries
from trainables.models.resolve import ResolvedModel
from trainables.settings import ModelConfig

_NATIVE_BF16 = (8, 0)  # compute capability from which CUDA devices multiply in bfloat16


def load_base(
    resolved: ResolvedModel, config: ModelConfig, device: torch.device | str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Loads a causal language model for evaluation and for adapters on top of it, and its tokenizer.

    Args:
        resolved: What `resolve` returned for `config`.
        config: The same model's settings.
        device: Device that the parameters go to.

    Raises:
        UserError: As `load_tokenizer` and `load_weights`.
    """
    tokenizer, _ = load_tokenizer(resolved, config)
    return load_weights(resolved, config, tokenizer, device), tokenizer


def load_tokenizer(
    resolved: ResolvedModel, config: ModelConfig
) -> tuple[PreTrainedTokenizerBase, int | None]:
    """Loads a model's tokenizer, and how many tokens the model can take, None where it does not say.

    The tokenizer has a pad token (the end-of-sequence token where it came without one).

    Raises:
        UserError: The folder or hub id cannot be loaded, or no reply could ever end.
    """
    quiet_libraries()
    with _refusing(resolved, config):
        described = AutoConfig.from_pretrained(resolved.path_or_id, **_source(resolved, config))
        tokenizer = AutoTokenizer.from_pretrained(resolved.path_or_id, **_source(resolved, config))
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"The tokenizer of {config.name!r} has no end-of-sequence token, so no reply could ever end.",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, getattr(described.get_text_config(), "max_position_embeddings", None)


def load_weights(
    resolved: ResolvedModel,
    config: ModelConfig,
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device | str,
) -> PreTrainedModel:
    """Loads the model itself.

    It is in evaluation mode, none of its parameters requires a gradient, its attention is torch's scaled
    dot-product attention, and weights are read from safetensors only.

    Args:
        resolved: What `resolve` returned for `config`.
        config: The same model's settings.
        tokenizer: From `load_tokenizer`.
        device: Device that the parameters go to.

    Raises:
        UserError: It cannot be loaded, or is not a causal language model in safetensors.
    """
    quiet_libraries()
    with _refusing(resolved, config):
        model = AutoModelForCausalLM.from_pretrained(
            resolved.path_or_id,
            dtype=compute_dtype(config.dtype, torch.device(device)),
            use_safetensors=True,
            attn_implementation="sdpa",
            **_source(resolved, config),
        )
    if model.generation_config is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    loaded: PreTrainedModel = _frozen(model).to(device)
    return loaded


def _source(resolved: ResolvedModel, config: ModelConfig) -> dict[str, Any]:
    return {"revision": resolved.revision, "trust_remote_code": config.trust_remote_code}


@contextmanager
def _refusing(resolved: ResolvedModel, config: ModelConfig) -> Iterator[None]:
    """What the library raises where a model cannot be loaded, as an error of the user's."""
    try:
        yield
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise UserError(
            f"The model {config.name!r} ({resolved.path_or_id}) cannot be loaded: {_first_line(error)}",
            hint="It must be a causal language model with its tokenizer and weights as safetensors; a hub "
            "id needs the network once.",
        ) from error


def compute_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype for a device: "auto" is bfloat16 where it is multiplied natively, else float32."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _NATIVE_BF16
    return torch.bfloat16 if native else torch.float32


def _frozen(model: Any) -> Any:
    module: nn.Module = model
    module.requires_grad_(False)
    return module.eval()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
