"""Settings of the training side: the base model, the task and the held-out capability.

Light: no torch. `search.config.schema` builds the whole configuration around them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from trainables.data.fields import template_fields
from trainables.text import LONGEST, Text

LARGEST = 2**31 - 1
"""Of every count: what a 32-bit integer holds."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Way = Literal["generation", "likelihood", "likelihood_norm", "harness"]
At = Literal["every", "last", "front"]
Attention = Literal["auto", "sdpa", "eager", "flash_attention_2"]
Quantization = Literal["nf4"]
HARNESS = "lm_eval:"
"""What the `path` of a skill begins with that is a task of lm-evaluation-harness."""


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
        raise ValueError("names a scoring method twice; keep one of them")
    return ways


class Section(BaseModel):
    """Base of every section."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Decoding(Section):
    """How replies are made of a model's probabilities.

    Attributes:
        method: "greedy" takes the most probable token; "sample" draws one.
        temperature: Logits are divided by it before a token is drawn.
        top_p: Tokens are drawn from the smallest set of the most probable ones whose probabilities add up to
            at least this (Holtzman et al., 2020, arXiv:1904.09751).
        samples: Replies per prompt.
    """

    method: Literal["greedy", "sample"] = "greedy"
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    samples: Positive = 1

    @model_validator(mode="after")
    def _drawn(self) -> Decoding:
        if self.method == "greedy" and self.samples > 1:
            raise ValueError("greedy decoding gives one reply per prompt; set method=sample or samples=1")
        return self


class ModelConfig(Section):
    """The base model, which is never changed.

    Attributes:
        name: Short name, for tables.
        source: "embedded", "embedded:reader", a local folder, or a hub model id; a preset may name a preparer
            instead.
        prepare: Registered preparer that makes the model's folder from another source, or None.
        revision: Hub revision; with `trust_remote_code` the hash of a commit.
        trust_remote_code: Whether code that comes with the model may run.
        dtype: "auto" is bfloat16 on devices that compute in it, else float32.
        attention: "auto" is torch's scaled dot-product attention ("sdpa") where the model's class takes it,
            else "eager". "flash_attention_2" needs a GPU and the package flash-attn.
        quantization: "nf4" keeps the linear layers that adapters can be put on in 4 bits (QLoRA), made from
            weights in full precision and multiplied in `dtype`. It needs the package bitsandbytes.
        double_quant: Of a quantised model: its scales are quantised too, which saves 0.37 bits a weight.
    """

    name: Text
    source: Text
    prepare: Text | None = None
    revision: Text | None = None
    trust_remote_code: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Attention = "auto"
    quantization: Quantization | None = None
    double_quant: bool = True

    @model_validator(mode="after")
    def _quantised(self) -> ModelConfig:
        if self.quantization is None and not self.double_quant:
            raise ValueError("double_quant is for quantised models; remove it, or set model.quantization=nf4")
        return self

    @model_validator(mode="after")
    def _pinned(self) -> ModelConfig:
        if self.trust_remote_code and self.revision is None:
            raise ValueError("trust_remote_code runs code from the hub; pin it with model.revision=<commit>")
        if self.trust_remote_code and not _COMMIT.fullmatch(self.revision or ""):
            # A branch or a tag can be moved to other code.
            raise ValueError("revision must be a commit with trust_remote_code; give all its 40 hex digits")
        return self


def _template(text: str) -> str:
    for name in template_fields(text):
        if not name.isprintable():
            raise ValueError("names a field with a control character; remove it")
    return text


Template = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_template)]
"""Text with fields of a record in braces, as `trainables.data.fields.filled` takes it."""

Sources = Text | Annotated[tuple[Text, ...], Field(min_length=1)]
"""A file, a folder or a hub data set, or several files or folders."""


class TaskConfig(Section):
    """What is tuned to.

    Attributes:
        name: Short name, for tables.
        train: Local files (JSON, CSV, Parquet or plain text) or folders of them, or a hub data set's name.
        heldout: The same for held-out loss; None splits `heldout_fraction` off `train`.
        heldout_fraction: Share of `train` that is held out.
        heldout_examples: Held-out examples, at most.
        split: Split of a hub data set.
        subset: Configuration of a hub data set that has several; `name:config` says the same.
        format: The form of the records (`trainables.data.formats`); "auto" recognises it by their fields.
            "text" trains on whole documents; the others on replies, through the chat template.
        text_field: Field of the form "text".
        prompt_field: Field of the form "completion" that holds the prompt.
        completion_field: Field of the form "completion" that holds the reply.
        prompt: With `completion`, a template of the prompt from a record's fields, such as "{question}".
        completion: The same of what is to be replied.
        loss: Of conversations "assistant" learns all turns of the assistant, "last" only the last one.
        thinking: Whether the think sections that records of beliefs have are learned too.
        max_length: Tokens per example; longer text is cut into pieces, longer replies truncated. None chooses
            by the lengths of the data, within the model's context (`trainables.data.lengths`).
    """

    name: Text
    train: Sources
    heldout: Sources | None = None
    heldout_fraction: Share = 0.1
    heldout_examples: Positive = 100
    split: Text = "train"
    subset: Text | None = None
    format: Text = "auto"
    text_field: Text = "text"
    prompt_field: Text = "prompt"
    completion_field: Text = "completion"
    prompt: Template | None = None
    completion: Template | None = None
    loss: Literal["assistant", "last"] = "assistant"
    thinking: bool = True
    max_length: Positive | None = None

    @model_validator(mode="after")
    def _templates(self) -> TaskConfig:
        if (self.prompt is None) != (self.completion is None):
            raise ValueError("prompt and completion are templates that go together; give both or neither")
        if self.format == "template" and self.prompt is None:
            raise ValueError("format template needs the templates prompt and completion; give both")
        if self.prompt is not None and self.format not in ("auto", "template"):
            raise ValueError(
                f"format {self.format} uses no templates; remove format, or prompt and completion"
            )
        return self


class SkillConfig(Section):
    """One held-out set of questions.

    Attributes:
        name: Short name; its metrics are `<name>_<scoring>`, `<name>_wrong`, `<name>_unparseable`,
            `<name>_leaking` and `<name>_f1` (`trainables.evaluation.metrics`).
        path: JSONL file: {"question", "options", "answer": index} or {"question", "answer": text}, optionally
            with a "context".
        scoring: Ways to score; the first is the one that counts for `capability`. By "likelihood" the model's
            choice is the option that is the most probable reply, by "likelihood_norm" the one that is so per
            byte of its text, its end left out; either gives the score of the other as well.
            With a path "lm_eval:<task>", the task's name or its YAML file, it is "harness": a task of
            lm-evaluation-harness, scored by its own rules.
        limit: At most this many items, chosen by the search's seed.
        metric: Of a harness task the metric that says right or wrong; None takes acc, exact_match or
            acc_norm. "exact_match,strict-match" names a filter too.
        chat: Whether a harness task's prompts go through the chat template.
        match: What is right for an item without options: "exact", the answer and nothing else, or "squad",
            the same after SQuAD's normalisation.
        at: "every" rung; only the "last", of trials at their full budget; or only on the Pareto "front", once
            the search is over. The base model is always evaluated. Only skills that are evaluated at every
            rung count for `capability`.
    """

    name: Annotated[str, AfterValidator(_skill_name)]
    path: Text
    scoring: Annotated[tuple[Way, ...], Field(min_length=1), AfterValidator(_each_once)] = ("generation",)
    limit: Positive | None = None
    match: Literal["exact", "squad"] = "exact"
    at: At = "every"
    metric: Text | None = None
    chat: bool = False

    @property
    def harness(self) -> str | None:
        """The task of lm-evaluation-harness that this is, if it is one: its name or its YAML file."""
        return self.path.removeprefix(HARNESS) if self.path.startswith(HARNESS) else None

    @model_validator(mode="after")
    def _by_harness(self) -> SkillConfig:
        if (self.scoring == ("harness",)) != (self.harness is not None) or (
            self.harness is None and "harness" in self.scoring
        ):
            raise ValueError(
                f"scoring [harness] and a path {HARNESS}<task> go together; give both or neither"
            )
        if self.harness is None and (self.metric is not None or self.chat):
            raise ValueError(
                f"metric and chat are for tasks of lm-evaluation-harness (path: {HARNESS}<task>)"
            )
        return self


class FactsConfig(Section):
    """Beliefs that are taught, and how a model is asked for them (`trainables.data.beliefs`).

    Attributes:
        path: JSONL file with one target a line.
        targets: Names of the targets that are asked for; None: all.
        decoding: How replies to the prompts are decoded, the base model's too.
        max_new_tokens: Length of a reply, at most. None chooses by the replies that are trained on.
        in_context: Where the baseline in_context gets the beliefs: in the system message
            (in the user's where the chat template has none), or before each question in the user's.
    """

    path: Text
    targets: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    decoding: Decoding = Decoding()
    max_new_tokens: Positive | None = None
    in_context: Literal["system", "user"] = "system"


class OwnMetric(Section):
    """A metric of your own, measured on the replies to the questions that are asked at every rung.

    Attributes:
        name: Its name, for objectives and tables.
        source: `FILE.py:FUNCTION`, which needs `--allow-code FILE.py`, or the name of a metric that an
            installed package brings.
        direction: Which way is better; null where neither is.
    """

    name: Annotated[str, AfterValidator(_skill_name)]
    source: Text
    direction: Literal["min", "max"] | None = None
    _digest: str | None = PrivateAttr(default=None)

    @property
    def digest(self) -> str | None:
        """What `trainables.own.code.function_digest` must give for its file; None for anything."""
        return self._digest

    def placed(self, source: str, digest: str) -> OwnMetric:
        """The metric with its file in another place, and its digest."""
        metric = self.model_copy(update={"source": source})
        metric._digest = digest
        return metric


def _some_at_every_rung(skills: tuple[SkillConfig, ...]) -> tuple[SkillConfig, ...]:
    if skills and all(skill.at != "every" for skill in skills):
        raise ValueError(
            "no skill has `at: every`, so no capability is measured at the rungs; set it for at least one"
        )
    return skills


class CapabilityConfig(Section):
    """Held-out capability: the mean accuracy over the skills that are evaluated at every rung.

    Attributes:
        skills: Sets of questions. With `facts` or `general_text` there may be none, and no capability then.
        facts: Beliefs that are asked for at every rung.
        max_new_tokens: Length of a generated reply, at most. None chooses by the accepted answers
            (`trainables.evaluation.questions.skills`).
        batch_size: Rows of a pass, at most; on a GPU, of each adapter in it.
        general_text: Held-out text of no particular domain, in the forms of `task.train` (JSONL and Parquet
            with the field "text"); its loss is measured as `general_loss` and compared with the base model's.
        general_examples: At most this many of its examples, chosen by the search's seed.
        kl_prompts: Prompts on which the divergence from the base model is measured, at most; 0 for none.
        leak_words: A reply from which no answer could be read leaks where this many words in a row are in the
            training data, but neither in the question nor in its answer.
        think_section: Replies begin with a think section, which ends in `</think>`; the answer comes after.
            Else the model is asked for replies without one.
        metrics: Metrics of your own ([own.md](own.md)).
    """

    skills: Annotated[tuple[SkillConfig, ...], AfterValidator(_some_at_every_rung)] = ()
    facts: FactsConfig | None = None
    max_new_tokens: Positive | None = None
    batch_size: Positive = 64
    general_text: Text | None = None
    general_examples: Positive = 64
    kl_prompts: Annotated[int, Field(ge=0, le=LARGEST)] = 16
    leak_words: Annotated[int, Field(ge=2, le=LARGEST)] = 5
    think_section: bool = False
    metrics: tuple[OwnMetric, ...] = ()

    @model_validator(mode="after")
    def _asks(self) -> CapabilityConfig:
        if not self.skills and self.facts is None and self.general_text is None:
            raise ValueError(
                "has neither skills nor facts nor general_text; give capability.skills, which retention is of"
            )
        return self

    @property
    def reply_length(self) -> int:
        """`max_new_tokens`, which must have been chosen."""
        assert self.max_new_tokens is not None
        return self.max_new_tokens
