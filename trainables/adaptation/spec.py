"""What the search knows of the trainable `adaptation`. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainables.adaptation.audited import AUDITED
from trainables.adaptation.checks import check, inspect
from trainables.adaptation.metrics import BITS, GAIN, STAGE1, START, TOKENS, TOP1, measured_metrics
from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.vectors import VECTORS
from trainables.data.sections import (
    CAPABILITY_EFFECTS,
    EFFECTS,
    capability_contents,
    contents_of,
    data_content,
    hub_part,
    placed_capability,
    placed_model,
    placed_task,
)
from trainables.trainable import TRAINABLES, Artifact, Effect, MetricSpec, Place, Shown, TrainableSpec

if TYPE_CHECKING:
    from trainables.planning import PlanRequest, TrainablePlan
    from trainables.serving.held import Read

_WORDS = {
    "target tokenizer": "The tokenizer that the model is adapted to; its own is the source tokenizer.",
    "aligned": "A target token that begins with the embedding of the most similar source token; others begin "
    "with that of the same text, where there is one, or with the fallback.",
    "stage 1, stage 2": "First the embeddings and the head are trained alone, then the model as well.",
    "bits per byte": "What a model needs to encode a text, over the text's bytes. Unlike a loss per token "
    "it can be compared between tokenizers.",
}

_BASELINES = {
    "base": "the untouched base model with its own tokenizer",
    "subtokens": "the target tokenizer, untrained: shared tokens, and the mean of sub-tokens for all others",
    "aligned": "the target tokenizer, untrained, with the alignment of a trial in the middle of the space",
}

_EFFECTS: Mapping[str, Effect] = {
    **EFFECTS,
    **CAPABILITY_EFFECTS,
    "target.tokenizer": "content",
    **dict.fromkeys(
        ["target.vocabulary", "target.vectors", "target.dimensions", "target.window", "target.least"],
        "search",
    ),
}


def metrics(options: AdaptationOptions) -> Sequence[MetricSpec]:
    """Of the text, and of the questions that are asked."""
    return measured_metrics(options.capability)


def shown(options: AdaptationOptions) -> Shown:
    """Bits per byte and how they came about, then the questions."""
    capability = options.capability
    skills = [] if capability is None else [f"{each.name}_{each.scoring[0]}" for each in capability.skills]
    kept = ("capability",) if skills else ()
    return Shown(
        summary=(BITS, GAIN, "coverage_aligned", *kept, *skills),
        report=(BITS, START, STAGE1, GAIN, "coverage_fallback_weighted", *kept, *skills),
        verdict=(TOKENS, TOP1),
    )


def contents(options: AdaptationOptions) -> Mapping[str, str]:
    """Digests of the model, the text and the tokenizer."""
    digests = contents_of(options.model, options.task)
    if options.target.tokenizer is not None:
        content = data_content(options.target.tokenizer, "tokenizer")
        digests |= {} if content is None else {"target.tokenizer": content}
    if options.capability is not None:
        digests |= capability_contents(options.capability, hub_part(options.task))
    return digests


def localise(options: AdaptationOptions, place: Place) -> AdaptationOptions:
    """See `TrainableSpec.localise`."""
    target, tokenizer = options.target, options.target.tokenizer
    if tokenizer is not None:
        target = target.model_copy(update={"tokenizer": place(tokenizer)})
    capability = options.capability
    return AdaptationOptions(
        model=placed_model(options.model, place),
        task=placed_task(options.task, place),
        target=target,
        capability=None if capability is None else placed_capability(capability, place),
    )


def plan(request: PlanRequest) -> TrainablePlan:
    """The text in the tokens of both tokenizers, and what each stage reads of it.

    Raises:
        PlanRefusedError: No such search could be trained.
    """
    from trainables.adaptation.plan import plan as make

    return make(request)


def _worker() -> Read:
    from trainables.adaptation.held import read

    return read


TRAINABLES.register(
    "adaptation", "the tokenizer of a domain: aligned embeddings, then two stages of training"
)(
    TrainableSpec(
        parameters=AdaptationParameters,
        options=AdaptationOptions,
        metrics=metrics,
        worker=_worker,
        artifact=Artifact(
            "model", 'AutoModelForCausalLM.from_pretrained("{folder}")', "model and tokenizer in one folder"
        ),
        shown=shown,
        words=_WORDS,
        loss_unit="nats per token",
        baselines=_BASELINES,
        unpacked="each trial has a vocabulary of its own",
        unsharded="each trial trains tables and copies made of whole weights",
        check=check,
        plan=plan,
        inspect=inspect,
        localise=localise,
        effects=_EFFECTS,
        names={"target.vectors": VECTORS},
        contents=contents,
        audited=AUDITED,
        unmerged="it is a whole model already",
    )
)
