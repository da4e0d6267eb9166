"""What the search knows of soft prompt tuning. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from trainables.data.sections import EFFECTS, contents_of, placed_model, placed_task
from trainables.parameters import TrainingParameters
from trainables.settings import ModelConfig, Section, TaskConfig
from trainables.trainable import TRAINABLES, Artifact, MetricSpec, Place, TrainableSpec

if TYPE_CHECKING:
    from trainables.serving.held import Read


class SoftPromptParameters(TrainingParameters):
    """A trial's parameters.

    Attributes:
        virtual_tokens: Length of the prompt.
    """

    virtual_tokens: Annotated[int, Field(ge=1, le=1024)] = 8


class SoftPromptOptions(Section):
    """The base model, and the text that the prompt is tuned to."""

    model: ModelConfig
    task: TaskConfig


METRICS = (
    MetricSpec("heldout_loss", "Loss on held-out text, in nats per token.", "min", low=0.0),
    MetricSpec(
        "heldout_accuracy",
        "Share of the held-out text's tokens that the model finds the most probable.",
        "max",
        low=0.0,
        high=1.0,
        relative="accuracy_kept",
    ),
)


def metrics(options: SoftPromptOptions) -> Sequence[MetricSpec]:
    return METRICS


def examples(options: SoftPromptOptions, seed: int) -> int:
    from trainables.data.task import count_examples

    return count_examples(options.model, options.task, seed)


def localise(options: SoftPromptOptions, place: Place) -> SoftPromptOptions:
    return SoftPromptOptions(model=placed_model(options.model, place), task=placed_task(options.task, place))


def contents(options: SoftPromptOptions) -> Mapping[str, str]:
    return contents_of(options.model, options.task)


def worker() -> Read:
    from soft_prompt.held import read

    return read


TRAINABLES.register("soft_prompt", "soft prompts (PEFT) before a frozen base model's input")(
    TrainableSpec(
        parameters=SoftPromptParameters,
        options=SoftPromptOptions,
        metrics=metrics,
        worker=worker,
        artifact=Artifact("soft prompt", 'PeftModel.from_pretrained(base, "{folder}")'),
        unpacked="each soft prompt takes passes of its own",
        examples=examples,
        localise=localise,
        effects=EFFECTS,
        contents=contents,
    )
)
