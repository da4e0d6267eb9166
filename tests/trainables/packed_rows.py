"""Several adapters in one batch by PEFT's own mixed batches, to compare packs with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn


class Packed(nn.Module):
    """Runs each row with its own adapter."""

    def __init__(self, model: PeftModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.counts: list[list[int]] = []
        self._names = names
        self._layout: list[str] | None = None

    def rows(self, counts: Sequence[int]) -> None:
        assert len(counts) == len(self._names)
        self.counts.append(list(counts))
        self._layout = [name for name, count in zip(self._names, counts, strict=True) for _ in range(count)]

    def forward(self, input_ids: torch.Tensor, **options: Any) -> Any:
        layout, self._layout = self._layout, None
        assert layout is not None, "the pass was not announced"
        assert len(layout) == len(input_ids)
        return self.model(input_ids=input_ids, adapter_names=layout, **options)


def adapters(base: nn.Module, ranks: Mapping[str, int], std: float) -> PeftModel:
    """Adapters on a model, each of which says something else."""
    first, *rest = ranks
    model: PeftModel = get_peft_model(base, _lora(ranks[first]), adapter_name=first)
    for name in rest:
        model.add_adapter(name, _lora(ranks[name]))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=std)
    return model


def _lora(rank: int) -> LoraConfig:
    return LoraConfig(r=rank, lora_dropout=0.3, target_modules="all-linear", init_lora_weights=True)
