"""A model's modules without weights, as they are built to be trained."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from trainables.errors import UserError, first_line
from trainables.models.configuration import configuration
from trainables.models.quiet import quiet_libraries
from trainables.models.soundness import leave_out_other_parts


def skeleton(folder: Path, trust_remote_code: bool = False) -> nn.Module:
    """The model of a folder on the device "meta": every module and every shape, and no memory.

    Raises:
        UserError: Its config.json is not that of a causal language model.
    """
    quiet_libraries()
    try:
        config = configuration(folder, trust_remote_code=trust_remote_code)
        with torch.device("meta"):
            model: nn.Module = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    except Exception as error:  # a named boundary: damaged files can end in any of them
        raise UserError(
            f"{folder / 'config.json'} is not for a causal language model: {first_line(error)}",
            hint="Give another model, or fetch this one again.",
        ) from error
    leave_out_other_parts(model)
    return model
