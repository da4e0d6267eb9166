"""What is wrong with a search of adaptation, before anything is started. Light: no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.adaptation.options import AdaptationOptions
from trainables.adaptation.vectors import VECTORS
from trainables.errors import UserError
from trainables.models.resolve import local_folder
from trainables.planning import keyed, refused
from trainables.settings import CapabilityConfig
from trainables.trainable import Finding

TEXT, TOKENIZER = "training data", "target tokenizer"
"""Where what is wrong was seen."""

LARGEST = 8 * 2**20
"""Bytes of text that are tokenised before the start, at most; the workers look at all."""


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
    if options.capability is not None:
        yield from _unasked(options.capability)


def _unasked(capability: CapabilityConfig) -> Iterator[Finding]:
    if capability.facts is not None:
        yield Finding("capability.facts", "adaptation teaches no beliefs", "remove capability.facts")
    for index, skill in enumerate(capability.skills):
        if skill.harness is not None:
            yield Finding(
                f"capability.skills.{index}.path",
                "tasks of lm-evaluation-harness are put in the base's tokens alone",
                "give the questions as a file",
            )


@dataclass(frozen=True)
class Sizes:
    """The text in the tokens of one tokenizer.

    Attributes:
        tokens: Of the vocabulary.
        train: Of the training text.
        heldout: Of the held-out text.
        frequent: Of the vocabulary, those that occur often enough in the training text to have vectors.
    """

    tokens: int
    train: int
    heldout: int
    frequent: int


@dataclass(frozen=True)
class Seen:
    """What is known of the text and the tokenizers before anything is started.

    Attributes:
        documents: That are trained on.
        heldout: That are measured on.
        heldout_bytes: Of UTF-8 of the latter.
        source: In the base's tokens.
        target: In the target's.
        shared: Target tokens that stand for the same text as a source token.
        frequent: Those that occur often enough, in both, to align others by.
        length: Tokens of a sequence, at most.
        example: A document in target tokens.
    """

    documents: int
    heldout: int
    heldout_bytes: int
    source: Sizes
    target: Sizes
    shared: int
    frequent: int
    length: int
    example: tuple[str, ...]


def inspect(options: AdaptationOptions, seed: int, baselines: Collection[str]) -> None:
    """Looks at the text, both tokenizers and the questions before a search.

    Raises:
        PlanRefusedError: As `look`; or questions are trained on, or longer than the model's context.
    """
    from trainables.lora.parameters import LoraOptions
    from trainables.lora.plan.data import refuse_contamination, refuse_long_prompts

    look(options, seed, download=True)
    if options.capability is not None:
        asked = LoraOptions(model=options.model, task=options.task, capability=options.capability)
        refuse_contamination(asked, seed)
        refuse_long_prompts(asked, seed, baselines)


def look(
    options: AdaptationOptions,
    seed: int,
    size: int | None = None,
    key: str | None = None,
    *,
    download: bool = False,
) -> Seen | None:
    """Reads the text, and tokenises it where it is small and the base's tokenizer is at hand.

    Args:
        options: The sections.
        seed: The search's, of the documents that are held out.
        size: Of a tokenizer that a trial would have trained, in place of the target's.
        key: Where that size is from; `target.tokenizer` or `target.vocabulary` by default.
        download: Whether a tokenizer on the hub is fetched.

    Raises:
        PlanRefusedError: The text cannot be read or has too few documents; the target's tokenizer cannot be
            read or trained, or changes the text; or too few tokens of both are frequent.
    """
    from trainables.adaptation.corpus import read_corpus
    from trainables.lora.plan.data import context_of, whole_tokenizer

    try:
        corpus = read_corpus(options.task, seed)
    except UserError as error:
        raise refused(error, TEXT, None if keyed(error) else "task") from error
    folder, name = local_folder(options.model), options.target.tokenizer
    there = size is not None or name is None or download or Path(name).expanduser().exists()
    small = sum(map(len, corpus.train)) <= LARGEST
    base = whole_tokenizer(folder) if folder is not None and there and small else None
    if base is None or folder is None:
        return None
    where = key or ("target.vocabulary" if name is None else "target.tokenizer")
    return _tokenised(options, corpus, base, size, where, context_of(folder))


def _tokenised(
    options: AdaptationOptions, corpus: Any, base: Any, size: int | None, key: str, context: int | None
) -> Seen:
    from trainables.adaptation.alignment import refuse_few_anchors
    from trainables.adaptation.streams import TokenStream
    from trainables.adaptation.strings import Vocabulary, shared_tokens
    from trainables.adaptation.target import make_target, refuse_lossy
    from trainables.data.lengths import piece_length

    try:
        target = make_target(options.target, base, corpus.train, size)
        refuse_lossy(target, [*corpus.heldout, *corpus.train])
        left, right = Vocabulary.of(target), Vocabulary.of(base)
    except UserError as error:
        raise refused(error, TOKENIZER, key) from error
    same = shared_tokens(left, right)
    parts = (corpus.train, corpus.heldout)
    ours, theirs = (
        [TokenStream.of(t, part, len(v)) for part in parts] for t, v in ((target, left), (base, right))
    )
    often, often_there = (streams[0].counts >= options.target.least for streams in (ours, theirs))
    frequent = int(((same >= 0) & often & often_there[same]).sum())
    try:
        refuse_few_anchors(frequent)
    except UserError as error:
        raise refused(error, TOKENIZER, key) from error
    return Seen(
        documents=len(corpus.train),
        heldout=len(corpus.heldout),
        heldout_bytes=sum(len(text.encode()) for text in corpus.heldout),
        source=Sizes(len(right), len(theirs[0].ids), len(theirs[1].ids), int(often_there.sum())),
        target=Sizes(len(left), len(ours[0].ids), len(ours[1].ids), int(often.sum())),
        shared=int((same >= 0).sum()),
        frequent=frequent,
        length=options.task.max_length or piece_length(np.diff(theirs[0].starts).tolist(), context),
        example=tuple(target.decode([token]) for token in next(ours[0].documents())[:_SHOWN].tolist()),
    )


_SHOWN = 60
"""Tokens of the example, at most."""
