"""What a search of the trainable `adaptation` is configured by. Light: no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trainables.settings import LARGEST, CapabilityConfig, ModelConfig, Positive, Section, TaskConfig
from trainables.text import Text


class TargetConfig(Section):
    """The tokenizer that the model is adapted to, and how its tokens are compared with the model's own.

    Attributes:
        tokenizer: A file tokenizer.json, a folder or a hub id. Not used with `vocabulary`.
        vocabulary: Tokens, at most, of a tokenizer of the base's kind that is trained on the training text.
        vectors: Registered method of token vectors (`trainables.adaptation.vectors`).
        dimensions: Of a token vector, at most.
        window: Tokens on either side that count as a token's context.
        least: Tokens that occur less often have no vector, and are aligned with none.
    """

    tokenizer: Text | None = None
    vocabulary: Annotated[int, Field(ge=2, le=LARGEST)] | None = None
    vectors: Text = "ppmi_svd"
    dimensions: Positive = 256
    window: Positive = 3
    least: Positive = 5

    @model_validator(mode="after")
    def _defined(self) -> TargetConfig:
        if (self.tokenizer is None) == (self.vocabulary is None):
            raise ValueError("give either tokenizer, or the vocabulary of a tokenizer to be trained")
        return self


class AdaptationOptions(Section):
    """What a model is adapted to.

    Attributes:
        model: The base model.
        task: The text of the domain.
        target: The tokenizer.
        capability: Questions, asked in the target's tokens and of the base in its own; None asks none.
    """

    model: ModelConfig
    task: TaskConfig
    target: TargetConfig
    capability: CapabilityConfig | None = None
