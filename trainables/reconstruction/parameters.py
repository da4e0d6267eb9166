"""Parameters of a trial of reconstruction. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from trainables.lora.parameters import AdapterParameters, LoraParameters
from trainables.settings import Positive

_Weight = Annotated[float, Field(ge=0, le=1e6)]


class ReconstructionParameters(AdapterParameters):
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
    """

    latent: Positive | None = None
    hidden: Positive | None = None
    answer_weight: _Weight = 0.01
    answer_tokens: Positive = 4
    distillation_weight: _Weight = 0.0
    rank: Annotated[int, Field(ge=0, le=4096)] = 0

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
        # Not validated again: probes have a learning rate that no trial may have.
        shared = self.model_dump(include=set(AdapterParameters.model_fields))
        return LoraParameters().model_copy(update=shared)

    def without_lora(self) -> Self:
        """The same trial without an adapter on the model."""
        return self.model_copy(update={"rank": 0})
