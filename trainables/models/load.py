"""Loads the frozen base model and its tokenizer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from trainables.errors import UserError
from trainables.models.attention import requested
from trainables.models.download import download_weights
from trainables.models.folder.tokenizer import beyond_embedding
from trainables.models.quantisation import require_bitsandbytes, with_bitsandbytes
from trainables.models.resolve import ResolvedModel, fetched
from trainables.models.skeleton import configuration, quiet_libraries
from trainables.models.soundness import (
    leave_out_other_parts,
    refuse_incomplete,
    refuse_not_causal,
    refuse_not_finite,
)
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
        UserError: As `fetch`, `load_tokenizer` and `load_weights`.
    """
    resolved = fetch(resolved, config)
    tokenizer, _ = load_tokenizer(resolved, config)
    return load_weights(resolved, config, tokenizer, device), tokenizer


def fetch(resolved: ResolvedModel, config: ModelConfig) -> ResolvedModel:
    """As `fetched`.

    Raises:
        UserError: As `fetched`, or a hub model cannot be had.
    """
    quiet_libraries()
    with refusing(resolved, config):
        return fetched(resolved, config)


def load_tokenizer(
    resolved: ResolvedModel, config: ModelConfig
) -> tuple[PreTrainedTokenizerBase, int | None]:
    """Loads a model's tokenizer, and how many tokens the model can take, None where it does not say.

    The tokenizer has a pad token that the model has too: its own, or else the end-of-sequence token.

    Raises:
        UserError: The folder or hub id cannot be loaded, or no reply could ever end.
    """
    quiet_libraries()
    with refusing(resolved, config):
        described = _described(resolved, config)
        tokenizer = AutoTokenizer.from_pretrained(resolved.path_or_id, **_source(resolved, config))
    if not {*tokenizer("1 a", add_special_tokens=False)["input_ids"]} - {tokenizer.unk_token_id}:
        # The library makes an empty one where it does not find the files that it looks for.
        raise UserError(
            f"The tokenizer of {config.name!r} ({resolved.path_or_id}) has no vocabulary.",
            hint="Save it with the model: AutoTokenizer.from_pretrained(...).save_pretrained(folder).",
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"The tokenizer of {config.name!r} has no end-of-sequence token, so no reply could end.",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    rows = getattr(described, "vocab_size", None)
    if rows is not None and tokenizer.eos_token_id >= rows:
        raise beyond_embedding(
            str(tokenizer.eos_token), int(tokenizer.eos_token_id), rows, resolved.path_or_id
        )
    if tokenizer.pad_token_id is None or (rows is not None and tokenizer.pad_token_id >= rows):
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, getattr(described, "max_position_embeddings", None)


def vocabulary_rows(resolved: ResolvedModel, config: ModelConfig) -> int | None:
    """Rows of the model's token embedding, None where its configuration does not say.

    Raises:
        UserError: The configuration cannot be loaded.
    """
    with refusing(resolved, config):
        rows: int | None = getattr(_described(resolved, config), "vocab_size", None)
    return rows


def load_weights(
    resolved: ResolvedModel,
    config: ModelConfig,
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device | str,
) -> PreTrainedModel:
    """Loads the model itself.

    It is in evaluation mode and none of its parameters requires a gradient; weights are read from
    safetensors only, and with `config.quantization` quantised one by one as they are read. Of a multimodal
    model the parts are left out that text does not pass through.

    Args:
        resolved: What `resolve` returned for `config`.
        config: The same model's settings.
        tokenizer: From `load_tokenizer`.
        device: Device that the parameters go to.

    Raises:
        UserError: It cannot be loaded, lacks weights or has damaged ones, or is not a causal language model.
    """
    quiet_libraries()
    device = torch.device(device)
    attention = requested(config.attention, compute_dtype(config.dtype, device), device)
    # A bot's conversion of a hub model's pickles would be read in place of the revision that was asked for.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    with refusing(resolved, config):
        download_weights(resolved)
        model, report = AutoModelForCausalLM.from_pretrained(
            resolved.path_or_id,
            config=configuration(resolved.path_or_id, **_source(resolved, config)),
            dtype=compute_dtype(config.dtype, device),
            use_safetensors=True,
            attn_implementation=attention,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, with their names
            **_source(resolved, config),
            **_quantised(config, device),
        )
    not_finite: list[str] = []
    if config.quantization is not None:
        report["mismatched_keys"] = {*report["mismatched_keys"], *model.hf_quantizer.mismatched}
        not_finite = model.hf_quantizer.not_finite
        model.hf_quantizer.remove_quantization_config(model)
    refuse_incomplete(model, report, resolved.path_or_id)
    leave_out_other_parts(model)
    if model.generation_config is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    loaded: PreTrainedModel = _frozen(model).to(device)
    refuse_not_finite(loaded, resolved.path_or_id, not_finite)
    with refusing(resolved, config, "run"):
        refuse_not_causal(loaded, resolved.path_or_id)
    return loaded


def _quantised(config: ModelConfig, device: torch.device) -> dict[str, Any]:
    """How transformers is asked for a quantised model.

    Raises:
        UserError: bitsandbytes is not installed here.
    """
    if config.quantization is None:
        return {}
    require_bitsandbytes()
    with_bitsandbytes()
    from trainables.models.nf4_loading import Nf4Config

    return {"quantization_config": Nf4Config(config.double_quant), "device_map": {"": device}}


def _source(resolved: ResolvedModel, config: ModelConfig) -> dict[str, Any]:
    return {"revision": resolved.revision, "trust_remote_code": config.trust_remote_code}


def _described(resolved: ResolvedModel, config: ModelConfig) -> Any:
    """The configuration of the language model; multimodal models nest it."""
    return configuration(resolved.path_or_id, **_source(resolved, config)).get_text_config()


@contextmanager
def refusing(resolved: ResolvedModel, config: ModelConfig, what: str = "loaded") -> Iterator[None]:
    """What the libraries raise where a model cannot be loaded or run, as an error of the user's.

    Files can be damaged in ways that end in any exception; but for memory, trying again ends in the same.
    """
    try:
        yield
    except (UserError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise UserError(
            f"The model {config.name!r} ({resolved.path_or_id}) cannot be {what}: {_first_line(error)}",
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
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    if said and isinstance(error, OSError | ValueError | ImportError):
        return said
    return f"{type(error).__name__}: {said}"
