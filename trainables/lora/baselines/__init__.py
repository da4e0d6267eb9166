"""References that `lora` measures before any trial, registered by name. Light: no torch."""

from trainables.lora.baselines import base, in_context
from trainables.lora.baselines.registry import BASELINES, NEEDS, Base

__all__ = ["BASELINES", "NEEDS", "Base", "base", "in_context"]
