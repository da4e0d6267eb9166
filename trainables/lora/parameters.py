"""Parameters of one LoRA trial. Light: configuration is checked with it before torch is imported."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainables.settings import Positive

Schedule = Literal["wsd", "constant", "linear", "cosine"]


class LoraParameters(BaseModel):
    """What a space may search or fix for the trainable `lora`.

    The update of a weight is `scale * B @ A`, with A of shape (rank, in) and B of shape (out, rank);
    `scale` is alpha / rank (Hu et al., 2021, arXiv:2106.09685), or alpha / sqrt(rank) with `rslora`
    (Kalajdzievski, 2023, arXiv:2312.03732).

    Attributes:
        lr: Peak learning rate of AdamW.
        rank: Rank of A and B.
        alpha: Numerator of the scale. Give it or `alpha_per_rank`, not both.
        alpha_per_rank: alpha / rank, which unlike alpha itself does not move with the rank.
        dropout: Dropout on the adapter's input.
        target_modules: Linear layers that get an adapter.
        layers: Only the first this many layers get adapters; None is all of them.
        rslora: Scale by sqrt(rank).
        weight_decay: Decoupled weight decay of AdamW, on A and B.
        warmup: Linear warm-up: a share of the budget where below 1, else a number of steps.
        schedule: After the warm-up. `wsd` (warmup-stable-decay, arXiv:2404.06395) is constant and
            decays linearly to 0 over the last `decay` of the budget, so that rungs before that
            are comparable; `linear` and `cosine` decay over the whole budget.
        decay: Share of the budget that `wsd` decays over.
        batch_size: The effective batch: examples per optimizer step, over all workers of the group and all
            passes that they are divided into.
        clip: Global gradient norm of this trial's own adapter; 0 is off.
        seed: Of the adapter's initialisation, the data order and the dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lr: Annotated[float, Field(ge=1e-12, le=10)] = 2e-4
    rank: Annotated[int, Field(ge=1, le=4096)] = 16
    alpha: Annotated[float, Field(gt=0, le=1e6)] | None = None
    alpha_per_rank: Annotated[float, Field(gt=0, le=1e4)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Literal["attention", "mlp", "all"] = "all"
    layers: Positive | None = None
    rslora: bool = False
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    warmup: Annotated[float, Field(ge=0)] = 0.1
    schedule: Schedule = "wsd"
    decay: Annotated[float, Field(ge=0, le=1)] = 0.2
    batch_size: Positive = 8
    clip: Annotated[float, Field(ge=0)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

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
