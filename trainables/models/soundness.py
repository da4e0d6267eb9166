"""Whether a model that was loaded is the one that its files describe, and can be trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from trainables.errors import UserError
from trainables.models.folder.reading import FETCH_AGAIN

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_LENGTH = 8  # tokens of the probe


def refuse_incomplete(model: nn.Module, report: Mapping[str, Any], source: str) -> None:
    """Refuses a model with weights that no file gave, and files with weights that the model has no place for.

    The library initialises the former at random and leaves the latter out. Parts of other modalities, and
    prediction heads beside the language model, may be left out.

    Args:
        model: As loaded.
        report: The library's loading info.
        source: Folder or hub id, for messages.

    Raises:
        UserError: Names the first of them.
    """
    if mismatched := sorted(report["mismatched_keys"]):
        name, stored, wanted = mismatched[0]
        raise UserError(
            f"{source}: the weight {name} has the shape {_shape(stored)} in the files, but config.json "
            f"expects {_shape(wanted)}{_more(mismatched)}.",
            hint="config.json and the weights belong to different models. " + FETCH_AGAIN,
        )
    places = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    # Masks and counters among the buffers are made, not learned.
    made = {name for name, place in places.items() if not place.is_floating_point()}
    if missing := sorted(set(report["missing_keys"]) - made):
        raise UserError(
            f"{source}: the files lack the weight {missing[0]}{_more(missing)}, which would be random.",
            hint=FETCH_AGAIN,
        )
    if unplaced := sorted(name for name in report["unexpected_keys"] if _belongs(model, name)):
        raise UserError(
            f"{source}: the files have the weight {unplaced[0]}{_more(unplaced)}, which the model that "
            "config.json describes does not have.",
            hint="config.json and the weights belong to different models. " + FETCH_AGAIN,
        )
    if errors := report["error_msgs"]:
        raise UserError(f"{source}: {str(errors[0]).splitlines()[0]}", hint=FETCH_AGAIN)


def leave_out_other_parts(model: Any) -> None:
    """Takes the parts for images and sound out of a multimodal model: text does not pass through them."""
    inner = getattr(model, model.base_model_prefix, None)
    language = getattr(inner, "language_model", None)
    if isinstance(inner, nn.Module) and isinstance(language, nn.Module):
        for name, part in list(inner.named_children()):
            if part is not language:
                setattr(inner, name, None)


def refuse_not_finite(model: nn.Module, source: str, quantised: Iterable[str] = ()) -> None:
    """Refuses weights with NaN or infinity; takes a fraction of the time of reading them.

    Args:
        model: As loaded.
        source: Folder or hub id, for messages.
        quantised: Names of weights that held such numbers before they were quantised.

    Raises:
        UserError: Names the first.
    """
    weights = model.named_parameters()
    kept = (name for name, each in weights if each.dtype in _DTYPES and each.numel() and not _finite(each))
    if (name := next(chain(quantised, kept), None)) is not None:
        raise UserError(
            f"{source}: the weight {name} holds NaN or infinity, so it is damaged.", hint=FETCH_AGAIN
        )


@torch.no_grad()
def refuse_not_causal(model: Any, source: str) -> None:
    """Refuses a model whose predictions depend on what comes after, or are no numbers.

    Batches are padded on the right without a mask, which nothing before the padding may see. Two texts that
    begin alike are run; up to where they differ, their logits must be the same.

    Raises:
        UserError: They are not.
    """
    rows = int(model.get_input_embeddings().weight.shape[0])
    device = next(model.parameters()).device
    ids = (torch.arange(2 * _LENGTH, device=device) * 7919 + 11).view(2, _LENGTH) % rows
    ids[1, : _LENGTH // 2] = ids[0, : _LENGTH // 2]
    logits: Tensor = model(input_ids=ids, use_cache=False).logits[:, : _LENGTH // 2].float()
    if not _finite(logits):
        raise UserError(
            f"{source}: the model's predictions are not finite numbers.",
            hint="Its weights are damaged, or too large for model.dtype: try model.dtype=float32. "
            + FETCH_AGAIN,
        )
    apart = (logits[0] - logits[1]).abs().max()
    # Rounding stays far below, whatever the order of sums; attention that looks ahead lies far above.
    if apart > torch.finfo(model.dtype).eps ** 0.5 * logits.abs().max():
        raise UserError(
            f"{source}: the model's predictions depend on the text after them, so it is not a causal "
            "language model.",
            hint="Give a causal language model, such as llama, qwen3 or gemma3.",
        )


def _finite(values: Tensor) -> bool:
    low, high = torch.aminmax(values.detach())
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _belongs(model: nn.Module, name: str) -> bool:
    """Whether a weight is of a layer that the model has, or of a block beyond those that it has."""
    parts = name.split(".")
    module: Any = model
    for place, part in enumerate(parts[:-1]):
        inner = getattr(module, part, None) if not isinstance(module, nn.ModuleList) else None
        if isinstance(module, nn.ModuleList) and part.isdigit():
            if int(part) >= len(module) + _predictors(model):
                return True
            inner = module[int(part)] if int(part) < len(module) else None
        if not isinstance(inner, nn.Module):
            return False
        module = inner
        if place == len(parts) - 2:
            return not any(True for _ in module.children())
    return False


def _predictors(model: Any) -> int:
    """Blocks that predict later tokens, which come after the others and are left out."""
    return int(getattr(model.config.get_text_config(), "num_nextn_predict_layers", None) or 0)


def _shape(size: Any) -> str:
    return " x ".join(str(length) for length in size)


def _more(names: Collection[Any]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
