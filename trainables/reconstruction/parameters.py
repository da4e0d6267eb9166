"""Parameters of a trial of reconstruction. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.lora.parameters import LoraParameters
from trainables.parameters import TrainingParameters
from trainables.settings import Positive

_Weight = Annotated[float, Field(ge=0, le=1e6)]


class ReconstructionParameters(TrainingParameters):
    """What a space may search or fix for the trainable `reconstruction`.

    The loss is reconstruction + `answer_weight` x cross-entropy on the first `answer_tokens` tokens of the
    answer + `distillation_weight` x divergence from the model that reads the text, on the same tokens.

    Attributes:
        latent: Dimensions of a token's latent; None is a quarter of those of the embeddings.
        hidden: Width of the rebuilding network's MLP; None is that of the embeddings.
        answer_weight: Weight of the cross-entropy on the answer; 0 leaves the term out.
        answer_tokens: Number of answer tokens that both terms cover; at least one answer must be that long.
        distillation_weight: Weight of the divergence from the model that reads the text; 0 leaves it out.
        rank: Rank of the LoRA on the frozen model; 0 means no LoRA.
        alpha: Numerator of its scale, alpha / rank. Give it or `alpha_per_rank`, not both.
        alpha_per_rank: alpha / rank; 2 where neither form is given.
        target_modules: Linear layers that get LoRA.
        layers: Number of layers that get it, counted from the first; None is all of them.
    """

    latent: Positive | None = None
    hidden: Positive | None = None
    answer_weight: _Weight = 0.01
    answer_tokens: Positive = 4
    distillation_weight: _Weight = 0.0
    rank: Annotated[int, Field(ge=0, le=4096)] = 0
    alpha: Annotated[float, Field(gt=0, le=1e6)] | None = None
    alpha_per_rank: Annotated[float, Field(gt=0, le=1e4)] | None = None
    target_modules: Literal["attention", "mlp", "all"] = "all"
    layers: Positive | None = None

    @model_validator(mode="after")
    def _one_alpha(self) -> Self:
        if self.alpha is not None and self.alpha_per_rank is not None:
            raise ValueError("alpha and alpha_per_rank are both given; give one of them")
        return self

    @model_validator(mode="after")
    def _learnable(self) -> Self:
        if self.rank and not (self.answer_weight or self.distillation_weight):
            raise ValueError(
                "rank is above 0, but with answer_weight=0 and distillation_weight=0 the model takes no part "
                "in the loss, and LoRA gets no gradient; set one of the weights, or rank=0"
            )
        return self

    @property
    def reads(self) -> bool:
        """Whether the loss takes a pass of the model at all."""
        return bool(self.answer_weight or self.distillation_weight)

    @property
    def lora(self) -> LoraParameters | None:
        """The adapter on the model, if there is one."""
        if not self.rank:
            return None
        own = ("rank", "alpha", "alpha_per_rank", "target_modules", "layers")
        names = (*TrainingParameters.model_fields, *own)
        # Not validated again: probes have a learning rate that no trial may have.
        return LoraParameters().model_copy(update=self.model_dump(include=set(names)))

    def without_lora(self) -> Self:
        """The same trial without an adapter on the model."""
        return self.model_copy(update={"rank": 0})
