"""The base model with the beliefs in its prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.lora.baselines.registry import BASELINES, NEEDS, Base

if TYPE_CHECKING:
    from trainables.lora.parameters import LoraOptions
    from trainables.serving.held import Evaluation

NAME = "in_context"


@BASELINES.register(NAME, "the base model with what trials are taught in its prompt (capability.facts)")
def measure_in_context(base: Base) -> Evaluation:
    """In-context learning: is a prompt enough, and what does it cost?"""
    return base.evaluate(in_context=True)


def _needs(options: LoraOptions) -> str | None:
    return "capability.facts, the beliefs for its prompt" if options.capability.facts is None else None


NEEDS[NAME] = _needs
