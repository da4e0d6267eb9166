"""Parameters of a trial of two stages. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from trainables.adaptation.fallbacks import FALLBACKS
from trainables.adaptation.similarities import SIMILARITIES
from trainables.parameters import TrainingParameters
from trainables.registry import Registry
from trainables.settings import Positive
from trainables.text import Text


class AdaptationParameters(TrainingParameters):
    """What a space may search or fix for the trainable `adaptation`.

    Stage 1 trains the embeddings and the head alone, stage 2 the model as well, each with a warm-up and a
    schedule of its own.

    Attributes:
        lr: Peak learning rate of stage 2.
        lr_embeddings: Peak learning rate of stage 1; None is `lr`.
        stage1: Share of the steps that belong to stage 1.
        stage2: What stage 2 trains in addition to the tables: the whole model ("full"), or adapters on all
            linear layers ("lora").
        rank: Rank of these adapters.
        alpha_per_rank: Scale of these adapters, alpha / rank.
        similarity: Similarity by which tokens are aligned (`trainables.adaptation.similarities`).
        threshold: Least similarity of an aligned token, a cosine; above 1, no token is aligned.
        fallback: How the other tokens are initialised (`trainables.adaptation.fallbacks`).
        vocabulary: Vocabulary of a tokenizer trained for this trial; None takes the configured target.
    """

    lr_embeddings: Annotated[float, Field(ge=1e-12, le=10)] | None = None
    stage1: Annotated[float, Field(ge=0, le=1)] = 0.5
    stage2: Literal["full", "lora"] = "full"
    rank: Annotated[int, Field(ge=1, le=4096)] = 16
    alpha_per_rank: Annotated[float, Field(gt=0, le=1e4)] = 2.0
    similarity: Text = "relative"
    threshold: Annotated[float, Field(ge=-1, le=2)] = 0.7
    fallback: Text = "subtokens"
    vocabulary: Positive | None = None

    @field_validator("similarity", "fallback")
    @classmethod
    def _registered(cls, name: str, info: ValidationInfo) -> str:
        registry: Registry[Any] = SIMILARITIES if info.field_name == "similarity" else FALLBACKS
        if name not in registry:
            raise ValueError(f"there is no {registry.kind} {name!r}{registry.suggestion(name)}")
        return name

    def stage1_steps(self, total: int) -> int:
        """Optimizer steps of stage 1, of a full budget of `total`."""
        return round(self.stage1 * total)

    @property
    def embeddings(self) -> Self:
        """The same with the learning rate of stage 1."""
        return self if self.lr_embeddings is None else self.at_rate(self.lr_embeddings)

    def at_rate(self, lr: float) -> Self:
        """The same with this learning rate in both stages."""
        return self.model_copy(update={"lr": lr, "lr_embeddings": None})
