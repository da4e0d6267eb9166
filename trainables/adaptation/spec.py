"""What the search knows of the trainable `adaptation`. Light: no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trainables.adaptation.audited import AUDITED
from trainables.adaptation.metrics import BITS, METRICS, STAGE1, START, TOKENS, TOP1
from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.vectors import VECTORS
from trainables.data.sections import (
    EFFECTS,
    absolute_model,
    absolute_path,
    absolute_task,
    contents_of,
    data_content,
)
from trainables.trainable import TRAINABLES, Artifact, Effect, Finding, MetricSpec, Shown, TrainableSpec

if TYPE_CHECKING:
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
    "target.tokenizer": "content",
    **dict.fromkeys(
        ["target.vocabulary", "target.vectors", "target.dimensions", "target.window", "target.least"],
        "search",
    ),
}


def metrics(options: AdaptationOptions) -> Sequence[MetricSpec]:
    """The same for all options."""
    return METRICS


def shown(options: AdaptationOptions) -> Shown:
    """Bits per byte, and how they came about."""
    return Shown(
        summary=(BITS, "coverage_aligned"),
        report=(BITS, START, STAGE1, "coverage_fallback_weighted"),
        verdict=(TOKENS, TOP1),
    )


def check(options: AdaptationOptions) -> Iterable[Finding]:
    """What the schema cannot see."""
    name = options.target.vectors
    if name not in VECTORS:
        yield Finding("target.vectors", f"there is no {VECTORS.kind} {name!r}{VECTORS.suggestion(name)}")
    if options.model.quantization is not None:
        yield Finding(
            "model.quantization",
            "adaptation trains the model's own weights, which cannot be quantised",
            "remove model.quantization",
        )


def inspect(options: AdaptationOptions, seed: int, baselines: Collection[str]) -> None:
    """Looks at the text before a search.

    Raises:
        PlanRefusedError: It cannot be read, or has too few documents.
    """
    from trainables.adaptation.corpus import read_corpus
    from trainables.errors import UserError
    from trainables.planning import keyed, refused

    try:
        read_corpus(options.task, seed)
    except UserError as error:
        raise refused(error, "training data", None if keyed(error) else "task") from error


def contents(options: AdaptationOptions) -> Mapping[str, str]:
    """Digests of the model, the text and the tokenizer."""
    digests = contents_of(options.model, options.task)
    if options.target.tokenizer is not None:
        content = data_content(options.target.tokenizer, "tokenizer")
        digests |= {} if content is None else {"target.tokenizer": content}
    return digests


def localise(options: AdaptationOptions) -> AdaptationOptions:
    """The options with local paths made absolute."""
    target, tokenizer = options.target, options.target.tokenizer
    if tokenizer is not None:
        target = target.model_copy(update={"tokenizer": absolute_path(tokenizer)})
    update = {"model": absolute_model(options.model), "task": absolute_task(options.task), "target": target}
    return options.model_copy(update=update)


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
        check=check,
        inspect=inspect,
        localise=localise,
        effects=_EFFECTS,
        names={"target.vectors": VECTORS},
        contents=contents,
        audited=AUDITED,
    )
)
