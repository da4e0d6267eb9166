"""References that `lora` measures before any trial, registered by name. Light: no torch."""

from trainables.lora.baselines import base
from trainables.lora.baselines.registry import BASELINES, Base

__all__ = ["BASELINES", "Base", "base"]
