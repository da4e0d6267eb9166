"""What a search of the trainable `reconstruction` is configured by. Light: no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from trainables.data.fields import template_fields
from trainables.reconstruction.records import Fields
from trainables.settings import ModelConfig, Positive, Section, Share, Template
from trainables.text import Text


def _of_a_reading(template: str) -> str:
    if sorted(template_fields(template)) != ["passage", "question"]:
        raise ValueError("must have {passage} and {question}, once each, and no other field")
    return template


class ReadingTask(Section):
    """Questions about passages, which the model answers from what was rebuilt of them.

    Attributes:
        name: Short name, for tables.
        train: JSONL file with a passage, a question and the list of all right answers on each line.
        heldout: The same to measure on; None splits passages with their questions off `train`.
        heldout_fraction: Share of the questions that is split off, at least.
        heldout_examples: Questions that are measured on, at most.
        samples: Questions that are trained on, at most; chosen by the search's seed. None is all of them.
        passage_field: Name of the passage in a record.
        question_field: Name of the question.
        answers_field: Name of the list of answers; the first is trained on, and all are right.
        template: The message to the model.
        cue: What the reply begins with, before the answer. It is not compressed. None where the beginning of
            a reply by the chat template is cue enough.
        max_length: Tokens of a prompt, at most; None is the model's context without room for the answer.
            Longer passages are cut at their end, questions never.
        max_new_tokens: Length of a reply, at most; None is that of the longest right answer.
        truncated_tokens: Tokens that the baseline `truncated` reads of a passage.
        batch_size: Questions of an evaluation's pass, at most.
    """

    name: Text
    train: Text
    heldout: Text | None = None
    heldout_fraction: Share = 0.1
    heldout_examples: Positive = 100
    samples: Positive | None = None
    passage_field: Text = "passage"
    question_field: Text = "question"
    answers_field: Text = "answers"
    template: Annotated[Template, AfterValidator(_of_a_reading)] = "{passage}\n\nQuestion: {question}"
    cue: Text | None = "Answer:"
    max_length: Positive | None = None
    max_new_tokens: Positive | None = None
    truncated_tokens: Positive = 32
    batch_size: Positive = 64

    @model_validator(mode="after")
    def _measured(self) -> ReadingTask:
        if self.heldout is None and not 0 < self.heldout_fraction < 1:
            raise ValueError("heldout_fraction must lie between 0 and 1 where no heldout is given")
        return self

    @property
    def fields(self) -> Fields:
        """Names of a record's fields."""
        return Fields(self.passage_field, self.question_field, self.answers_field)


class ReconstructionOptions(Section):
    """The frozen model, and what it reads.

    Attributes:
        model: The base model.
        task: Questions about passages.
    """

    model: ModelConfig
    task: ReadingTask
