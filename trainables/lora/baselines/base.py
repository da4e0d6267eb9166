"""The base model as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.lora.baselines.registry import BASELINES, Base

if TYPE_CHECKING:
    from trainables.serving.held import Evaluation


@BASELINES.register("base", "the untouched base model")
def measure_base(base: Base) -> Evaluation:
    """Ratios are relative to it."""
    return base.evaluate()
