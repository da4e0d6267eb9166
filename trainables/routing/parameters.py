"""Parameters of a trial of two adapters. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainables.lora.parameters import LoraParameters
from trainables.parameters import TrainingParameters
from trainables.settings import Positive, Share

_BAD_SEED = 1_000_003
"""Added to a trial's seed for the bad adapter: with equal seeds both would begin with the same A."""

_Alpha = Annotated[float, Field(gt=0, le=1e6)] | None
_AlphaPerRank = Annotated[float, Field(gt=0, le=1e4)] | None


class RoutingParameters(TrainingParameters):
    """What a space may search or fix for the trainable `routing`.

    A trial trains two LoRAs on the same layers, `good` and `bad`, which both act on every example. Each has
    its own AdamW, schedule and clipping by its own norm, and takes every step, even one without a gradient.

    Attributes:
        lr: Peak learning rate of the good adapter.
        lr_bad: Peak learning rate of the bad adapter; None is `lr`.
        rank: Rank of the good adapter.
        alpha: Numerator of its scale, alpha / rank. Give it or `alpha_per_rank`, not both.
        alpha_per_rank: alpha / rank; 2 where neither form is given.
        rank_bad: Rank of the bad adapter; None is `rank`.
        alpha_bad: As `alpha`, for the bad adapter.
        alpha_per_rank_bad: As `alpha_per_rank`, for the bad adapter; where neither form is given, its scale
            is that of the good one.
        target_modules: Linear layers that get both adapters.
        layers: Number of layers that get them, counted from the first; None is all layers.
        labelled: Share of the examples with the behaviour that are labelled; these train the bad adapter
            alone.
        false_labels: Share of the examples without the behaviour that are labelled nevertheless.
        unlabelled: Which adapters examples without a label train: the "good" one, or "both".
    """

    lr_bad: Annotated[float, Field(ge=1e-12, le=10)] | None = None
    rank: Annotated[int, Field(ge=1, le=4096)] = 16
    alpha: _Alpha = None
    alpha_per_rank: _AlphaPerRank = None
    rank_bad: Annotated[int, Field(ge=1, le=4096)] | None = None
    alpha_bad: _Alpha = None
    alpha_per_rank_bad: _AlphaPerRank = None
    target_modules: Literal["attention", "mlp", "all"] = "all"
    layers: Positive | None = None
    labelled: Share = 1.0
    false_labels: Share = 0.0
    unlabelled: Literal["good", "both"] = "both"

    @model_validator(mode="after")
    def _one_alpha_each(self) -> Self:
        for alpha, ratio in (("alpha", "alpha_per_rank"), ("alpha_bad", "alpha_per_rank_bad")):
            if getattr(self, alpha) is not None and getattr(self, ratio) is not None:
                raise ValueError(f"{alpha} and {ratio} are both given; give one of them")
        return self

    @property
    def good(self) -> LoraParameters:
        """The adapter that is kept."""
        return self._adapter(alpha=self.alpha, alpha_per_rank=self.alpha_per_rank)

    @property
    def bad(self) -> LoraParameters:
        """The adapter that is to take up the behaviour."""
        alpha, ratio = self.alpha_bad, self.alpha_per_rank_bad
        return self._adapter(
            lr=self.lr if self.lr_bad is None else self.lr_bad,
            rank=self.rank if self.rank_bad is None else self.rank_bad,
            alpha=alpha,
            alpha_per_rank=self.good.scale if alpha is None and ratio is None else ratio,
            seed=(self.seed + _BAD_SEED) % 2**63,
        )

    @property
    def single(self) -> LoraParameters:
        """One adapter of the capacity of both, with the good one's optimizer and scale."""
        return self._adapter(rank=self.good.rank + self.bad.rank, alpha_per_rank=self.good.scale)

    def _adapter(self, **changes: Any) -> LoraParameters:
        shared = {*TrainingParameters.model_fields, "rank", "target_modules", "layers"}
        # Not validated again: probes have a learning rate that no trial may have.
        return LoraParameters().model_copy(update=self.model_dump(include=shared) | changes)

    def at_rate(self, lr: float) -> Self:
        """The same with this learning rate for both adapters."""
        return self.model_copy(update={"lr": lr, "lr_bad": None})
