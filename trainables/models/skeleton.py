"""A model as the library builds it: its configuration, and its modules without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from trainables.errors import UserError, first_line
from trainables.models.hub import quiet_hub
from trainables.models.soundness import leave_out_other_parts


def skeleton(folder: Path, trust_remote_code: bool = False, revision: str | None = None) -> nn.Module:
    """The model of a folder on the device "meta": every module and every shape, and no memory.

    Args:
        folder: Has at least its config.json.
        trust_remote_code: Whether code that comes with it may run.
        revision: Of that code, where the folder only names it.

    Raises:
        UserError: Its config.json is not that of a causal language model.
    """
    quiet_libraries()
    try:
        config = configuration(folder, trust_remote_code=trust_remote_code, code_revision=revision)
        coded = trust_remote_code and "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
        how = {"code_revision": revision} if coded else {}
        with torch.device("meta"):
            model: nn.Module = AutoModelForCausalLM.from_config(
                config, trust_remote_code=trust_remote_code, **how
            )
    except Exception as error:  # a named boundary: damaged files can end in any of them
        raise UserError(
            f"{folder / 'config.json'} is not for a causal language model: {first_line(error)}",
            hint="Give another model, or fetch this one again.",
        ) from error
    leave_out_other_parts(model)
    return model


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
    for config in {id(part): part for part in (whole, whole.get_text_config())}.values():
        rows, pad = getattr(config, "vocab_size", None), getattr(config, "pad_token_id", None)
        if isinstance(rows, int) and isinstance(pad, int) and not -rows <= pad < rows:
            config.pad_token_id = None
    return whole


def quiet_libraries() -> None:
    """Leaves only errors of transformers and the hub client, and no progress bars.

    Uses the libraries' own switches; Python's warnings and other loggers stay as they are.
    """
    from transformers.utils import logging as transformers

    transformers.set_verbosity_error()
    transformers.disable_progress_bar()
    quiet_hub()
