"""The part of the configuration that the trainable `lora` owns. Light: no torch."""

from __future__ import annotations

from trainables.settings import CapabilityConfig, ModelConfig, Section, TaskConfig


class LoraOptions(Section):
    """What adapters are trained on, for and against.

    Attributes:
        model: The base model.
        task: What it is tuned to.
        capability: What it must not lose.
    """

    model: ModelConfig
    task: TaskConfig
    capability: CapabilityConfig
