"""What a plan says of trials of adaptation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trainables.adaptation.checks import Seen, look
from trainables.adaptation.costs import Sizes, costs
from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.parameters import AdaptationParameters
from trainables.lora.audited import model_config
from trainables.lora.plan.build import attention_of, model_notes
from trainables.lora.plan.costs import questions, unless_too_large
from trainables.lora.plan.shapes import model_shapes
from trainables.models.hub import describe
from trainables.planning import Costs, DataText, PlanRequest, TrainablePlan

_VOCABULARY = "vocabulary"


@dataclass(frozen=True)
class AdaptationPlan:
    """The text, as a plan shows it.

    Attributes:
        documents: That are trained on.
        heldout: That are measured on.
        source_tokens: Of the base's vocabulary.
        target_tokens: Of the target's.
        shared_tokens: Target tokens for the same text as a source token.
        text_source_tokens: Tokens of the training text by the base's tokenizer.
        text_target_tokens: The same by the target's.
    """

    documents: int
    heldout: int
    source_tokens: int
    target_tokens: int
    shared_tokens: int
    text_source_tokens: int
    text_target_tokens: int


def plan(request: PlanRequest) -> TrainablePlan:
    """Plans a search without starting anything.

    Raises:
        PlanRefusedError: The model's files are damaged; or as `look`, for the configured target and for the
            smallest tokenizer that a trial may ask for.
    """
    options: AdaptationOptions = request.options
    trials = [params for params in request.trials if isinstance(params, AdaptationParameters)]
    shapes = model_shapes(options.model)
    tables = 1 if model_config(options.model).get("tie_word_embeddings") else 2
    seen = look(options, request.seed)
    sizes = [int(size) for size in request.possible[_VOCABULARY] if size is not None]
    if sizes:
        look(options, request.seed, min(sizes), request.key(_VOCABULARY))
    notes = [*model_notes(options.model, shapes, request.workers), *_notes(options, seen)]
    known = None if shapes is None else Sizes.of(options, shapes, tables, seen)
    taken: Costs | None = None
    if known is not None and trials:
        taken = unless_too_large(lambda: costs(request, known, seen, trials), notes)
    return TrainablePlan(
        trained=tuple(_trained(params, known, seen) for params in trials),
        base_parameters=None if shapes is None else shapes.parameters,
        attention=attention_of(options.model),
        data=None if seen is None else _data(seen),
        data_text=None if seen is None else _text(seen),
        costs=taken,
        download=describe(options.model).download(options.model.source),
        items={} if options.capability is None else _items(options),
        notes=tuple(notes),
    )


def _trained(params: AdaptationParameters, sizes: Sizes | None, seen: Seen | None) -> int | None:
    """Parameters that stage 2 trains; None where the target's tokens are not known."""
    if sizes is None or seen is None or params.vocabulary is not None:
        return None
    return sizes.trained(params)


def _items(options: AdaptationOptions) -> dict[str, int]:
    assert options.capability is not None
    return {skill.name: questions(skill) for skill in options.capability.skills}


def _data(seen: Seen) -> AdaptationPlan:
    return AdaptationPlan(
        documents=seen.documents,
        heldout=seen.heldout,
        source_tokens=seen.source.tokens,
        target_tokens=seen.target.tokens,
        shared_tokens=seen.shared,
        text_source_tokens=seen.source.train,
        text_target_tokens=seen.target.train,
    )


def _text(seen: Seen) -> DataText:
    source, target, size = seen.source, seen.target, max(1, seen.heldout_bytes)
    lines = (
        f"{seen.documents:,} training documents, {seen.heldout:,} held out; none is in both",
        f"tokenizer: {target.tokens:,} tokens instead of {source.tokens:,}; {seen.shared:,} stand for the "
        f"same text as one of the base's, and the others are aligned by {seen.frequent:,} of these",
        f"tokens of the training text: {target.train:,} instead of {source.train:,}; per byte of held-out "
        f"text: {target.heldout / size:.3f} instead of {source.heldout / size:.3f}",
    )
    example = tuple(((line, True),) for line in _lines(seen.example))
    return DataText(lines, "a document in the target's tokens, separated by bars", example)


def _lines(tokens: Sequence[str]) -> Iterator[str]:
    for first in range(0, len(tokens), _PER_LINE):
        yield "|".join(tokens[first : first + _PER_LINE]).replace("\n", "\\n")


_PER_LINE = 15


def _notes(options: AdaptationOptions, seen: Seen | None) -> Iterator[str]:
    if seen is None:
        yield (
            f"{options.task.train} and the tokenizers are looked at when the search starts: the text is "
            "large, or the model or the target's tokenizer is not here."
        )
        return
    if seen.shared == seen.target.tokens:
        yield (
            "Every token of the target's tokenizer stands for the same text as one of the base's: nothing is "
            "to be aligned, and the baselines subtokens and aligned are the same."
        )
    if seen.target.heldout >= seen.source.heldout:
        yield (
            f"The target's tokenizer needs {seen.target.heldout:,} tokens for the held-out text, and the "
            f"base's own {seen.source.heldout:,}: it makes this text no shorter."
        )
