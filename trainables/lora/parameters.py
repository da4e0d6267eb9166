"""What a LoRA trial and its search are configured by. Light: no torch."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trainables.parameters import TrainingParameters
from trainables.settings import LARGEST, CapabilityConfig, ModelConfig, Positive, Section, TaskConfig


class LoraParameters(TrainingParameters):
    """What a space may search or fix for the trainable `lora`.

    The update of a weight is `scale * B @ A`, with A of shape (rank, in) and B of shape (out, rank);
    `scale` is alpha / rank (Hu et al., 2021, arXiv:2106.09685), or alpha / sqrt(rank) with `rslora`
    (Kalajdzievski, 2023, arXiv:2312.03732).

    Attributes:
        rank: Rank of A and B.
        alpha: Numerator of the scale. Give it or `alpha_per_rank`, not both.
        alpha_per_rank: alpha / rank, whose best value depends less on the rank than that of alpha.
        dropout: Dropout on the adapter's input.
        target_modules: Linear layers that get an adapter.
        layers: Number of layers that get adapters, counted from the first; None is all of them.
        rslora: Whether to divide alpha by sqrt(rank) instead of rank.
        examples: Number of training examples that are used, counted from the first (of each target, where
            the task has several); None is all of them.
        epochs: Passes over the examples that are used. The number of steps follows from them, and
            `budget.steps` must be "trial"; None leaves the length to the budget.
    """

    rank: Annotated[int, Field(ge=1, le=4096)] = 16
    alpha: Annotated[float, Field(gt=0, le=1e6)] | None = None
    alpha_per_rank: Annotated[float, Field(gt=0, le=1e4)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Literal["attention", "mlp", "all"] = "all"
    layers: Positive | None = None
    rslora: bool = False
    examples: Positive | None = None
    epochs: Annotated[float, Field(gt=0, le=LARGEST)] | None = None

    @model_validator(mode="after")
    def _one_alpha(self) -> LoraParameters:
        if self.alpha is not None and self.alpha_per_rank is not None:
            raise ValueError("alpha and alpha_per_rank are both given; give one of them")
        return self

    @property
    def effective_alpha(self) -> float:
        """alpha as PEFT takes it; 2 * rank where neither form is given."""
        if self.alpha is not None:
            return self.alpha
        return (2.0 if self.alpha_per_rank is None else self.alpha_per_rank) * self.rank

    @property
    def scale(self) -> float:
        """Factor on B @ A."""
        return self.effective_alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


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
