"""Loads the frozen base model and its tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from trainables.errors import UserError
from trainables.models.quiet import quiet_libraries
from trainables.models.resolve import ResolvedModel
from trainables.settings import ModelConfig

_NATIVE_BF16 = (8, 0)  # compute capability from which CUDA devices multiply in bfloat16


def load_base(
    resolved: ResolvedModel, config: ModelConfig, device: torch.device | str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Loads a causal language model for evaluation and for adapters on top of it.

    The model is in evaluation mode, none of its parameters requires a gradient, its attention is
    torch's scaled dot-product attention, and weights are read from safetensors only. The tokenizer
    has a pad token (the end-of-sequence token where it came without one).

    Args:
        resolved: What `resolve` returned for `config`.
        config: The same model's settings.
        device: Device that the parameters go to.

    Raises:
        UserError: The folder or hub id cannot be loaded, or is not a causal language model in safetensors.
    """
    quiet_libraries()
    source: dict[str, Any] = {
        "revision": resolved.revision,
        "trust_remote_code": config.trust_remote_code,
    }
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolved.path_or_id, **source)
        model = AutoModelForCausalLM.from_pretrained(
            resolved.path_or_id,
            dtype=compute_dtype(config.dtype, torch.device(device)),
            use_safetensors=True,
            attn_implementation="sdpa",
            **source,
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise UserError(
            f"The model {config.name!r} ({resolved.path_or_id}) cannot be loaded: {_first_line(error)}",
            hint="It must be a causal language model with its tokenizer and weights as safetensors; a hub "
            "id needs the network once.",
        ) from error
    _ensure_pad_token(tokenizer, model, config.name)
    return _frozen(model).to(device), tokenizer


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


def _ensure_pad_token(tokenizer: Any, model: Any, name: str) -> None:
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"The tokenizer of {name!r} has no end-of-sequence token, so no reply could ever end.",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.generation_config is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
