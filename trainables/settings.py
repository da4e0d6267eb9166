"""Settings of the training side: the base model, the task and the held-out capability.

Light: no torch. `search.config.schema` builds the whole configuration around them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from trainables.text import Text

LARGEST = 2**31 - 1
"""Of every count: what a 32-bit integer holds."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Way = Literal["generation", "likelihood"]


_COMMIT = re.compile(r"[0-9a-f]{40}")
_SKILL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


def _skill_name(name: str) -> str:
    if not _SKILL.fullmatch(name):
        raise ValueError(
            f"{name[:60]!r} cannot be part of a metric's name; use letters, digits and `_`, a letter first"
        )
    return name


def _each_once(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    if len(set(ways)) < len(ways):
        raise ValueError("names a way of scoring twice; keep one of them")
    return ways


class Section(BaseModel):
    """Base of every section."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class ModelConfig(Section):
    """The base model, which is never changed.

    Attributes:
        name: Short name, for tables.
        source: "embedded", a local folder, or a hub model id; a preset may name a preparer instead.
        prepare: Registered preparer that makes the model's folder from another source, or None.
        revision: Hub revision; with `trust_remote_code` the hash of a commit.
        dtype: "auto" is bfloat16 on devices that compute in it, else float32.
    """

    name: Text
    source: Text
    prepare: Text | None = None
    revision: Text | None = None
    trust_remote_code: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _pinned(self) -> ModelConfig:
        if self.trust_remote_code and self.revision is None:
            raise ValueError("trust_remote_code runs code from the hub; pin it with model.revision=<commit>")
        if self.trust_remote_code and not _COMMIT.fullmatch(self.revision or ""):
            # A branch or a tag can be moved to other code.
            raise ValueError("revision must be a commit with trust_remote_code; give all its 40 hex digits")
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

    name: Text
    train: Text
    heldout: Text | None = None
    heldout_fraction: Share = 0.1
    heldout_examples: Positive = 100
    split: Text = "train"
    format: Literal["text", "completion"] = "text"
    text_field: Text = "text"
    prompt_field: Text = "prompt"
    completion_field: Text = "completion"
    max_length: Positive = 64


class SkillConfig(Section):
    """One held-out set of questions.

    Attributes:
        name: Short name; its metrics are `<name>_<scoring>`.
        path: JSONL file: {"question", "options", "answer": index} or {"question", "answer": text}.
        scoring: Ways to score; the first is the one that counts for `capability`.
        limit: At most this many items, chosen by the search's seed.
    """

    name: Annotated[str, AfterValidator(_skill_name)]
    path: Text
    scoring: Annotated[tuple[Way, ...], Field(min_length=1), AfterValidator(_each_once)] = ("generation",)
    limit: Positive | None = None


class CapabilityConfig(Section):
    """Held-out capability: the mean accuracy over the skills.

    Attributes:
        max_new_tokens: Length of a generated reply, at most.
        batch_size: Rows of a pass, at most; on a GPU, of each adapter in it.
    """

    skills: Annotated[tuple[SkillConfig, ...], Field(min_length=1)]
    max_new_tokens: Positive = 12
    batch_size: Positive = 64
