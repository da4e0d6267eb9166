"""Settings of the training side: the base model, the task and the held-out capability.

Light: no torch. `search.config.schema` builds the whole configuration around them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of every section."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelConfig(Section):
    """The base model, which is never changed.

    Attributes:
        name: Short name, for tables.
        source: "embedded", a local folder, or a hub model id; a preset may name a preparer instead.
        prepare: Registered preparer that makes the model's folder from another source, or None.
        revision: Hub revision; needed with `trust_remote_code`.
        dtype: "auto" is bfloat16 on devices that compute in it, else float32.
    """

    name: str
    source: str
    prepare: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _pinned(self) -> ModelConfig:
        if self.trust_remote_code and self.revision is None:
            raise ValueError("trust_remote_code runs code from the hub; pin it with model.revision=<commit>")
        return self


class TaskConfig(Section):
    """What is tuned to.

    Attributes:
        train: Local JSONL, Parquet or plain-text file, or a hub data set's name.
        heldout: The same for held-out loss; None splits `heldout_fraction` off `train`.
        split: Split of a hub data set.
        format: "text" trains on whole documents; "completion" on `completion_field` after
            `prompt_field` through the chat template, with the loss on the completion only.
        max_length: Tokens per example; longer text is cut into pieces, longer completions truncated.
    """

    name: str
    train: str
    heldout: str | None = None
    heldout_fraction: Share = 0.1
    heldout_examples: Positive = 100
    split: str = "train"
    format: Literal["text", "completion"] = "text"
    text_field: str = "text"
    prompt_field: str = "prompt"
    completion_field: str = "completion"
    max_length: Positive = 64


class SkillConfig(Section):
    """One held-out set of questions.

    Attributes:
        name: Short name; its metrics are `<name>_<scoring>`.
        path: JSONL file: {"question", "options", "answer": index} or {"question", "answer": text}.
        scoring: Ways to score; the first is the one that counts for `capability`.
        limit: At most this many items, chosen by the search's seed.
    """

    name: str
    path: str
    scoring: Annotated[tuple[Literal["generation", "likelihood"], ...], Field(min_length=1)] = ("generation",)
    limit: Positive | None = None


class CapabilityConfig(Section):
    """Held-out capability: the mean accuracy over the skills."""

    skills: Annotated[tuple[SkillConfig, ...], Field(min_length=1)]
    max_new_tokens: Positive = 12
    batch_size: Positive = 64
