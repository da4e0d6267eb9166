"""PEFT on a model whose layers are named one by one."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import nn


class Shell(nn.Module):
    """The modules of a model without its configuration, for PEFT to put adapters on.

    By a model's configuration PEFT takes the names gate_proj, up_proj and down_proj for those of experts in
    many families, even where full names say that other layers are meant. Here names mean what they say.

    Args:
        model: Its modules are shared, and get the same names.
    """

    is_gradient_checkpointing = False  # PEFT asks, and would prepare a model that does not say no

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for name, module in model.named_children():
            self.add_module(name, module)


def saved_config(config: LoraConfig, model: nn.Module) -> dict[str, Any]:
    """The configuration with which `PeftModel.from_pretrained` puts an adapter on the same layers.

    Layers whose names PEFT would take for those of experts are given as parameters instead: for these
    names stay what they are, and the weights have the same names. PEFT allows no dropout with them.

    Args:
        config: As it was given to PEFT, with full names of modules.
        model: The base model.
    """
    saved: dict[str, Any] = config.to_dict()
    names = set(config.target_modules or ())
    taken = {name for name in names if _taken_for_expert(name, model)}
    if taken:
        parameters = sorted(f"{name}.weight" for name in taken)
        saved |= {"target_modules": sorted(names - taken), "target_parameters": parameters}
        saved["lora_dropout"] = 0.0
    return saved


def _taken_for_expert(name: str, model: nn.Module) -> bool:
    alone = LoraConfig(target_modules=[name])
    try:
        convert_peft_config_for_transformers(alone, model, None)
    except ValueError:  # "cannot convert gate_proj without also targeting up_proj"
        return True
    return bool(alone.target_parameters)
