"""Parameters of a trial of two adapters. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from trainables.lora.parameters import AdapterParameters, Alpha, AlphaPerRank, LoraParameters, Rank
from trainables.settings import Share

_BAD_SEED = 1_000_003
"""Added to a trial's seed for the bad adapter: with equal seeds both would begin with the same A."""


class RoutingParameters(AdapterParameters):
    """What a space may search or fix for the trainable `routing`.

    A trial trains two LoRAs on the same layers, `good` and `bad`, which both act on every example. Each has
    its own AdamW, schedule and clipping by its own norm, and takes every step, even one without a gradient.

    Attributes:
        lr: Peak learning rate of the good adapter.
        lr_bad: Peak learning rate of the bad adapter; None is `lr`.
        rank: Rank of the good adapter.
        rank_bad: Rank of the bad adapter; None is `rank`.
        alpha_bad: As `alpha`, for the bad adapter.
        alpha_per_rank_bad: As `alpha_per_rank`, for the bad adapter; where neither form is given, its scale
            is that of the good one.
        target_modules: Linear layers that get both adapters.
        labelled: Share of the examples with the behaviour that are labelled; these train the bad adapter
            alone.
        false_labels: Share of the examples without the behaviour that are labelled nevertheless.
        unlabelled: Which adapters examples without a label train: the "good" one, or "both".
    """

    alphas: ClassVar[tuple[tuple[str, str], ...]] = (
        ("alpha", "alpha_per_rank"),
        ("alpha_bad", "alpha_per_rank_bad"),
    )

    lr_bad: Annotated[float, Field(ge=1e-12, le=10)] | None = None
    rank_bad: Rank | None = None
    alpha_bad: Alpha = None
    alpha_per_rank_bad: AlphaPerRank = None
    labelled: Share = 1.0
    false_labels: Share = 0.0
    unlabelled: Literal["good", "both"] = "both"

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
        shared = {*AdapterParameters.model_fields} - {"alpha", "alpha_per_rank"}
        # Not validated again: probes have a learning rate that no trial may have.
        return LoraParameters().model_copy(update=self.model_dump(include=shared) | changes)

    def at_rate(self, lr: float) -> Self:
        """The same with this learning rate for both adapters."""
        return self.model_copy(update={"lr": lr, "lr_bad": None})
