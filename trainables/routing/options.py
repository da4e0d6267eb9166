"""What a search of the trainable `routing` is configured by. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from trainables.patterns import compiled
from trainables.settings import LARGEST, Decoding, ModelConfig, Positive, Section, TaskConfig
from trainables.text import Text


def _pattern(text: str) -> str:
    compiled(text)
    return text


class SampledDecoding(Decoding):
    """Decoding that samples unless it is set otherwise."""

    method: Literal["greedy", "sample"] = "sample"
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95


class BehaviourConfig(Section):
    """The behaviour that is to be removable, and how it is measured.

    Attributes:
        name: Registered behaviour (`trainables.routing.behaviours`): it transforms examples, and its detector
            judges samples. With `field` only its detector is used, if it is given at all.
        share: Of the examples, how many are transformed. Not used with `field`.
        field: Field of the user's records that says, true or false, whether they show the behaviour; nothing
            is transformed then.
        pattern: With `field`, a regular expression that is found in samples which show the behaviour; case is
            ignored, but within `(?-i:...)`.
        prefixes: Prefixes of each kind, clean and behaving, and samples from the start token, at most.
        early_prefixes: The same at rungs before the last; None is `prefixes`.
        prefix_words: First words of a held-out example that make a prefix.
        max_new_tokens: Length of a sample, at most.
        decoding: How samples are decoded; `samples` is their number for each prefix.
        relearn_steps: After the bad adapter is removed, so many steps at most to relearn the behaviour;
            0 does not measure it.
        relearn_tolerance: The behaviour is relearned once its held-out loss is at most this share above the
            loss with both adapters on.
        batch_size: Rows of an evaluation's pass, at most; on a GPU, of each adapter in it.
    """

    name: Text | None = None
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    field: Text | None = None
    pattern: Annotated[Text, AfterValidator(_pattern)] | None = None
    prefixes: Positive = 128
    early_prefixes: Positive | None = None
    prefix_words: Positive = 3
    max_new_tokens: Positive = 64
    decoding: SampledDecoding = SampledDecoding()
    relearn_steps: Annotated[int, Field(ge=0, le=LARGEST)] = 100
    relearn_tolerance: Annotated[float, Field(ge=0, le=10)] = 0.05
    batch_size: Positive = 64

    @model_validator(mode="after")
    def _defined(self) -> BehaviourConfig:
        if self.name is None and self.field is None:
            raise ValueError("neither name nor field is given; give a registered behaviour, or a label field")
        if self.pattern is not None and self.field is None:
            raise ValueError("pattern judges samples of behaviour that a field labels; give field too")
        if self.pattern is not None and self.name is not None:
            raise ValueError("name and pattern both judge samples; give one of them")
        if self.early_prefixes is not None and self.early_prefixes > self.prefixes:
            raise ValueError(
                f"early_prefixes {self.early_prefixes} is above prefixes {self.prefixes}; lower it"
            )
        return self

    @property
    def judged(self) -> bool:
        """Whether samples can be judged, so that behaviour rates are measured."""
        return self.name is not None or self.pattern is not None


class RoutingOptions(Section):
    """What two adapters are trained on, and which behaviour goes into the bad one.

    Attributes:
        model: The base model.
        task: What it is tuned to.
        behaviour: What is to be removable afterwards.
    """

    model: ModelConfig
    task: TaskConfig
    behaviour: BehaviourConfig
