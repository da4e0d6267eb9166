"""What the search must know of a trainable before torch is imported."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from trainables.lora.parameters import LoraParameters
from trainables.registry import Registry


@dataclass(frozen=True)
class TrainableSpec:
    """A trainable's name and the parameters that a space may search or fix.

    Attributes:
        parameters: Validates a trial's parameters; field names are the parameter names.
        unpacked: Why its trials run one at a time in a worker group, in words; None where several are
            trained in one pass.
    """

    parameters: type[BaseModel]
    unpacked: str | None = None


TRAINABLES: Registry[TrainableSpec] = Registry("trainable")
TRAINABLES.register("lora", "LoRA adapters (PEFT) on a frozen, shared base model")(
    TrainableSpec(LoraParameters)
)
