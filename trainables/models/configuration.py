"""A model's config.json as the library's object, without what must not be followed."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig


def configuration(source: Any, **how: Any) -> Any:
    """The configuration of a model.

    A pad token that the embedding has no row for is taken out: the library would not build the model. So is
    what computes attention and experts, which could name a kernel of the hub, and that is code.

    Args:
        source: Folder or hub id.
        how: Further arguments of `AutoConfig.from_pretrained`.
    """
    whole = AutoConfig.from_pretrained(source, **how)
    whole._attn_implementation = None
    whole._experts_implementation = None
    for one in {id(part): part for part in (whole, whole.get_text_config())}.values():
        rows, pad = getattr(one, "vocab_size", None), getattr(one, "pad_token_id", None)
        if isinstance(rows, int) and isinstance(pad, int) and not -rows <= pad < rows:
            one.pad_token_id = None
    return whole
