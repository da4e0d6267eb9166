"""Asks questions of a model that reads what was rebuilt, and measures its replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainables.evaluation.collapse import (
    COMMONEST,
    FIRST_ENTROPY,
    LATENT_COSINE,
    UNIQUE,
    are_commonest,
    first_occurrences,
)
from trainables.evaluation.inference.batching import CPU_TOKENS, batches_by_length
from trainables.reconstruction.data import Asked, Question, ReadingData
from trainables.reconstruction.metrics import (
    COSINE,
    EXACT,
    F1,
    FIRST_ACCURACY,
    FIRST_LOSS,
    RMS_RATIO,
    SHUFFLED,
)
from trainables.reconstruction.prompts import Prompt
from trainables.reconstruction.reader import EmbeddingReader, Rebuild, entropies, latent_cosines
from trainables.reconstruction.rows import padded_left
from trainables.reconstruction.scores import best_f1, exact_match


@dataclass(frozen=True)
class Reply:
    """A reply to a held-out question, and what was measured on the way.

    Attributes:
        item: Index of the question.
        shuffled: The reply where another question's passage was given.
        metrics: By name, but for those that need the replies to all questions.
    """

    item: int
    text: str
    shuffled: str
    metrics: Mapping[str, float]


class ReadingEvaluator:
    """Measures on the held-out questions.

    Args:
        reader: The model.
        tokenizer: Its tokenizer.
        data: The questions.
        batch_size: Questions of a pass, at most.
        mean: Of real embeddings, shape (width,).
    """

    def __init__(
        self, reader: EmbeddingReader, tokenizer: Any, data: ReadingData, batch_size: int, mean: Tensor
    ) -> None:
        self._reader, self._tokenizer, self._data = reader, tokenizer, data
        self._batch_size, self._mean = batch_size, mean

    def replies(self, rebuild: Rebuild, asked: Asked, shard: tuple[int, int]) -> list[Reply]:
        """Replies to this worker's share of the questions, in order.

        Args:
            rebuild: What the model reads in place of real embeddings.
            asked: The prompts.
            shard: Rank of this worker, and number of workers.
        """
        rank, world = shard
        mine = range(rank, len(self._data.heldout), world)
        texts = dict(self._ask(rebuild, asked.prompts, mine))
        mixed = dict(self._ask(rebuild, asked.shuffled, mine))
        self._reader.wait()
        return [
            Reply(
                item,
                texts[item].text,
                mixed[item].text,
                texts[item].metrics
                | {
                    SHUFFLED: best_f1(mixed[item].text, self._data.heldout[item].reading.answers),
                    LATENT_COSINE: self._latent_cosine(rebuild, asked, item),
                },
            )
            for item in mine
        ]

    def _ask(
        self, rebuild: Rebuild, prompts: Sequence[Prompt], mine: Sequence[int]
    ) -> Iterator[tuple[int, _Single]]:
        lengths = [prompts[item].length for item in mine]
        most = CPU_TOKENS if self._mean.device.type == "cpu" else None
        for batch in batches_by_length(lengths, self._batch_size, most):
            items = [mine[place] for place in batch]
            yield from zip(items, self._asked(rebuild, [prompts[i] for i in items], items), strict=True)

    def _asked(self, rebuild: Rebuild, prompts: Sequence[Prompt], items: Sequence[int]) -> Iterator[_Single]:
        real = self._reader.embed([token for prompt in prompts for token in prompt.ids]).float()
        rebuilt, lengths = rebuild(real), [len(prompt.ids) for prompt in prompts]
        texts = [
            torch.cat([part, self._reader.embed(prompt.cue).to(part.dtype)])
            for part, prompt in zip(torch.split(rebuilt, lengths), prompts, strict=True)
        ]
        replies = self._reader.generate(padded_left(texts), self._data.ends, self._data.most)
        entropy = entropies(replies.first).tolist()
        pairs = zip(torch.split(real, lengths), torch.split(rebuilt, lengths), strict=True)
        for row, (item, pair) in enumerate(zip(items, pairs, strict=True)):
            text = self._tokenizer.decode(replies.ids[row], skip_special_tokens=True).strip()
            question = self._data.heldout[item]
            metrics = _scored(text, question, replies.first[row]) | _rebuilt(*pair)
            yield _Single(text, metrics | {FIRST_ENTROPY: entropy[row]})

    def _latent_cosine(self, rebuild: Rebuild, asked: Asked, item: int) -> float:
        pair = (item, self._data.partners[item])
        latents = [rebuild(self._reader.embed(asked.prompts[i].ids).float()) - self._mean for i in pair]
        return latent_cosines(latents, [1, 0])[0]


@dataclass(frozen=True)
class _Single:
    text: str
    metrics: dict[str, float]


def _scored(text: str, question: Question, first: Tensor) -> dict[str, float]:
    """Scores of a reply, given the logits of its first token."""
    answers = question.reading.answers
    begins = {ids[0] for ids in question.answers}
    precise = first.to(torch.promote_types(first.dtype, torch.float32))
    return {
        F1: best_f1(text, answers),
        EXACT: float(exact_match(text, answers)),
        FIRST_ACCURACY: float(int(first.argmax()) in begins),
        FIRST_LOSS: -float(torch.log_softmax(precise, dim=-1)[question.answers[0][0]]),
    }


def _rebuilt(real: Tensor, rebuilt: Tensor) -> dict[str, float]:
    """How near to real embeddings the rebuilt ones are, the mean over tokens; both (tokens, width)."""
    cosine = functional.cosine_similarity(rebuilt, real, dim=-1).mean()
    sizes = [float(each.square().mean().sqrt()) for each in (rebuilt, real)]
    return {COSINE: float(cosine), RMS_RATIO: sizes[0] / sizes[1] if sizes[1] else 0.0}


def collapse_metrics(texts: Sequence[str]) -> dict[str, list[float]]:
    """Of every reply to all questions what tells collapse; the mean over replies is the metric."""
    return {
        UNIQUE: [float(first) for first in first_occurrences(texts)],
        COMMONEST: [float(is_it) for is_it in are_commonest(texts)],
    }
