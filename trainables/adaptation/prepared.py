"""Tokenizers, streams, vectors and alignments, each made once; alignments are kept on the machine."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.adaptation.alignment import Alignment, align
from trainables.adaptation.bits import windows
from trainables.adaptation.corpus import Corpus, digest
from trainables.adaptation.options import TargetConfig
from trainables.adaptation.quality import Hits, heldout_top1
from trainables.adaptation.similarities import SIMILARITIES
from trainables.adaptation.streams import TokenStream
from trainables.adaptation.strings import Vocabulary, shared_tokens
from trainables.adaptation.target import make_target, refuse_lossy
from trainables.adaptation.vectors import VECTORS, VectorSettings
from trainables.data.encode import start_ids
from trainables.data.examples import Example
from trainables.replacement import replacement

_FORM = 1
"""Of the files that alignments are kept in."""


@dataclass(frozen=True, eq=False)
class Tokenised:
    """The corpus in the tokens of one tokenizer.

    Attributes:
        tokenizer: Of `transformers`.
        vocabulary: Its tokens.
        stream: The training documents.
        train: The same, parted by end-of-sequence tokens and cut into sequences.
        heldout: Each held-out document in pieces.
        tokens_per_byte: Of the held-out documents.
    """

    tokenizer: Any
    vocabulary: Vocabulary
    stream: TokenStream
    train: Sequence[Example]
    heldout: Sequence[Sequence[Example]]
    tokens_per_byte: float

    @classmethod
    def of(cls, tokenizer: Any, corpus: Corpus, length: int) -> Tokenised:
        """Encodes a corpus.

        Args:
            tokenizer: Of `transformers`.
            corpus: The text.
            length: Tokens of a sequence, at most.
        """
        vocabulary = Vocabulary.of(tokenizer)
        train, heldout = (
            TokenStream.of(tokenizer, part, len(vocabulary)) for part in (corpus.train, corpus.heldout)
        )
        size = sum(len(text.encode()) for text in corpus.heldout)
        pieces = windows(heldout, start_ids(tokenizer), length)
        sequences = _sequences(train, tokenizer.eos_token_id, length)
        return cls(tokenizer, vocabulary, train, sequences, pieces, len(heldout.ids) / size)


def _sequences(stream: TokenStream, end: int, length: int) -> list[Example]:
    """One stream of all documents, each with its end, cut into sequences, whose first token is no target."""
    ids = np.insert(stream.ids, stream.starts[1:], end)
    parts = [ids[first : first + length] for first in range(0, len(ids), length)]
    return [Example(part, np.arange(len(part)) > 0) for part in parts if len(part) > 1]


class Aligned(NamedTuple):
    """An alignment, and how good it is.

    Attributes:
        alignment: Of target tokens.
        hits: On held-out shared tokens.
        seconds: That it took when it was made.
        cached: Whether it was made before.
    """

    alignment: Alignment
    hits: Hits
    seconds: float
    cached: bool


class Preparation:
    """Makes what trials begin with, each once.

    Args:
        target: The tokenizer, and how tokens are compared.
        tokenizer: The base model's.
        corpus: The text.
        length: Tokens of a sequence, at most.
        cache: Folder of alignments that were made before, which need not exist.
    """

    def __init__(
        self, target: TargetConfig, tokenizer: Any, corpus: Corpus, length: int, cache: Path
    ) -> None:
        self.corpus, self.length = corpus, length
        self.source = Tokenised.of(tokenizer, corpus, length)
        self._target, self._cache = target, cache
        self._targets: dict[int | None, Tokenised] = {}
        self._aligned: dict[tuple[int | None, str], Aligned] = {}

    def target(self, vocabulary: int | None = None) -> Tokenised:
        """The corpus in target tokens.

        Args:
            vocabulary: Size of a tokenizer to be trained; None is the configured target.

        Raises:
            UserError: It cannot be read or trained, or changes the text.
        """
        if vocabulary not in self._targets:
            tokenizer = make_target(self._target, self.source.tokenizer, self.corpus.train, vocabulary)
            refuse_lossy(tokenizer, [*self.corpus.heldout, *self.corpus.train])
            self._targets[vocabulary] = Tokenised.of(tokenizer, self.corpus, self.length)
        return self._targets[vocabulary]

    def aligned(self, vocabulary: int | None, similarity: str) -> Aligned:
        """The alignment of a target's tokens by a similarity; a kept one where it has the same fingerprint.

        Raises:
            UserError: As `target`; or too little text is there to align tokens by.
        """
        key = (vocabulary, similarity)
        if key not in self._aligned:
            target = self.target(vocabulary)
            path = self._cache / f"{self._fingerprint(target, similarity)}.npz"
            self._aligned[key] = _read(path) or self._align(target, similarity, path)
        return self._aligned[key]

    def _align(self, target: Tokenised, similarity: str, path: Path) -> Aligned:
        began = time.perf_counter()
        same = shared_tokens(target.vocabulary, self.source.vocabulary)
        config = self._target
        settings = VectorSettings(config.dimensions, config.window, config.least)
        make, measure = VECTORS[config.vectors], SIMILARITIES[similarity]
        vectors, others = make(target.stream, settings), make(self.source.stream, settings)
        alignment = align(vectors, others, same, measure)
        hits = heldout_top1(vectors, others, same, measure)
        seconds = time.perf_counter() - began
        _write(path, alignment, hits, seconds)
        return Aligned(alignment, hits, seconds, False)

    def _fingerprint(self, target: Tokenised, similarity: str) -> str:
        """SHA-256 of all that an alignment depends on."""
        config = self._target.model_dump(include={"vectors", "dimensions", "window", "least"})
        parts = [_keys(target.vocabulary), _keys(self.source.vocabulary), digest(self.corpus.train)]
        ids = [hashlib.sha256(each.stream.ids.tobytes()).hexdigest() for each in (target, self.source)]
        return hashlib.sha256(json.dumps([_FORM, config, similarity, *parts, *ids]).encode()).hexdigest()


def _keys(vocabulary: Vocabulary) -> str:
    keys = [None if key is None else [key.kind, key.text.hex()] for key in vocabulary.keys]
    return hashlib.sha256(json.dumps(keys).encode()).hexdigest()


def _write(path: Path, alignment: Alignment, hits: Hits, seconds: float) -> None:
    """Keeps an alignment; where that cannot be done it is made again next time."""
    numbers: NDArray[np.float64] = np.array([hits.right, hits.n, seconds])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path) as making, making.open("wb") as stream:
            np.savez_compressed(
                stream,
                same=alignment.same,
                nearest=alignment.nearest,
                similarities=alignment.similarities,
                numbers=numbers,
            )
    except OSError:
        return


def _read(path: Path) -> Aligned | None:
    """A kept alignment; None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            right, n, seconds = kept["numbers"].tolist()
            alignment = Alignment(kept["same"], kept["nearest"], kept["similarities"])
    except (OSError, ValueError, KeyError):
        return None
    return Aligned(alignment, Hits(round(right), round(n)), seconds, True)
