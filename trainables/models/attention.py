"""How attention is computed."""

from __future__ import annotations

from typing import Any

import torch
from transformers.utils import is_flash_attn_2_available

from trainables.errors import UserError
from trainables.settings import Attention

_HINT = "Set model.attention=auto, which chooses sdpa or eager."


def requested(setting: Attention, dtype: torch.dtype, device: torch.device) -> str | None:
    """What to ask transformers for; None leaves the choice to it: sdpa where the class takes it, else eager.

    Raises:
        UserError: It is one that does not work here. transformers would fetch a package that is not installed
            from the hub, as code.
    """
    if setting == "auto":
        return None
    if setting == "flash_attention_2":
        if not is_flash_attn_2_available():
            raise UserError(
                "model.attention: flash_attention_2 needs the package flash-attn and a GPU.", hint=_HINT
            )
        if device.type != "cuda" or dtype == torch.float32:
            raise UserError(
                "model.attention: flash_attention_2 computes in bfloat16 on a GPU, "
                f"not in {dtype} on {device.type}.",
                hint=_HINT,
            )
    return setting


def chosen(model: Any) -> str:
    """What a loaded model computes attention by."""
    return str(model.config.get_text_config()._attn_implementation)
