"""Adapters by name on one frozen base model; PEFT owns their layers, initialisation and format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import BLOCK, select_modules

WEIGHTS = "adapter_model.safetensors"


def linear_modules(base: nn.Module) -> list[str]:
    """Full names of the linear layers inside the model's blocks, in order (the output head is not one)."""
    return [
        name for name, module in base.named_modules() if isinstance(module, nn.Linear) and BLOCK.search(name)
    ]


class Adapters:
    """Adds, activates, saves and drops adapters on a base model that is shared and never changed.

    Args:
        base: Causal language model, frozen; its linear layers are wrapped in place by PEFT.
        source: Model id or folder, written into saved adapters.
    """

    def __init__(self, base: nn.Module, source: str) -> None:
        self.base = base
        self._source = source
        self._linear = linear_modules(base)
        self._peft: PeftModel | None = None

    def add(self, name: str, params: LoraParameters) -> None:
        """Adds a fresh adapter, initialised from the trial's seed, in fp32.

        Raises:
            UserError: No layer of the model fits `target_modules`.
        """
        config = LoraConfig(
            r=params.rank,
            lora_alpha=params.effective_alpha,
            lora_dropout=params.dropout,
            target_modules=select_modules(self._linear, params),
            use_rslora=params.rslora,
            bias="none",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng():
            torch.manual_seed(params.seed)
            if self._peft is None:
                self._peft = get_peft_model(self.base, config, adapter_name=name)
            else:
                self._peft.add_adapter(name, config)
        self.activate(name)

    def remove(self, name: str) -> None:
        """Drops an adapter; the base is as it was."""
        if self._peft is not None and name in self._peft.peft_config:
            self._peft.delete_adapter(name)

    def activate(self, name: str) -> None:
        """Makes `name` the adapter that the next passes use and train."""
        assert self._peft is not None
        self._peft.set_adapter(name)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base model as it is, without any adapter."""
        layers = [module for module in self.base.modules() if isinstance(module, LoraLayer)]
        before = [layer.disable_adapters for layer in layers]
        for layer in layers:
            layer._disable_adapters = True
        try:
            yield
        finally:
            for layer, was in zip(layers, before, strict=True):
                layer._disable_adapters = was

    def parameters(self, name: str) -> dict[str, nn.Parameter]:
        """The adapter's trainable tensors by name, in a fixed order."""
        part = f".{name}."
        return {key: value for key, value in self.base.named_parameters() if part in key and "lora_" in key}

    def save(self, name: str, folder: Path) -> None:
        """Writes the adapter into `folder` in PEFT format, as `PeftModel.from_pretrained` reads it."""
        assert self._peft is not None
        weights = get_peft_model_state_dict(self._peft, adapter_name=name, save_embedding_layers=False)
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in weights.items()}, folder / WEIGHTS
        )
        config: dict[str, Any] = self._peft.peft_config[name].to_dict()
        config |= {"inference_mode": True, "base_model_name_or_path": self._source}
        (folder / "adapter_config.json").write_text(
            json.dumps(config, indent=2, sort_keys=True, default=_plain)
        )

    def load(self, name: str, folder: Path) -> None:
        """Reads weights saved by `save` into the adapter `name`, which must have the same shape."""
        assert self._peft is not None
        weights: dict[str, Tensor] = load_file(folder / WEIGHTS)
        set_peft_model_state_dict(self._peft, weights, adapter_name=name)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
