"""References that `lora` measures before any trial, registered by name. Light: no torch."""

from trainables.lora.baselines import base
from trainables.lora.baselines.registry import BASELINES, NEEDS, Base

__all__ = ["BASELINES", "NEEDS", "Base", "base"]
