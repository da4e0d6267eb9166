"""A frozen model that reads embeddings instead of tokens, and answers from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from trainables.data.batches import IGNORED
from trainables.evaluation.inference.forward import Forward
from trainables.reconstruction.rows import Rows

Rebuild: TypeAlias = Callable[[Tensor], Tensor]
"""From real embeddings to those that the model reads in their place, both of shape (tokens, width). What is
lost on the way is lost: real embeddings come in through the latents alone."""


def as_text(embeddings: Tensor) -> Tensor:
    """The embeddings as they are: the model reads the text itself."""
    return embeddings


@dataclass(frozen=True)
class Replies:
    """Greedy replies.

    Attributes:
        ids: Token ids of each, without the token that ended it.
        first: Logits of the first token, shape (rows, vocabulary).
    """

    ids: list[list[int]]
    first: Tensor


class EmbeddingReader:
    """Runs the model on rows of embeddings.

    Args:
        forward: The model.
        table: Real embeddings of all tokens, shape (vocabulary, width), where the model's own cannot be asked
            by one worker alone; None asks the model's.
    """

    def __init__(self, forward: Forward, table: Tensor | None = None) -> None:
        model: Any = forward.model
        self._forward, self._embedding, self._table = forward, model.get_input_embeddings(), table

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Real embeddings of tokens, shape (tokens, width)."""
        return self.embeddings(torch.tensor(list(ids), device=self._forward.device))

    def embeddings(self, ids: Tensor) -> Tensor:
        """Real embeddings of token ids of any shape, with one axis more."""
        embeddings: Tensor = self._embedding(ids) if self._table is None else self._table[ids]
        return embeddings

    def wait(self) -> None:
        """Takes part in other workers' passes until all have finished, where passes are collective."""
        self._forward.wait(1)

    def logits(self, rows: Rows, last: int) -> Tensor:
        """Logits at the last positions, without a cache; shape (rows, last, vocabulary)."""
        return self._forward.embedded(self._cast(rows).embeddings, rows.mask, last)

    def answer_logits(self, rows: Rows, answers: Tensor) -> Tensor:
        """Logits from which each answer token is predicted, given those before it.

        Args:
            rows: The prompts.
            answers: Token ids, `IGNORED` after an answer's end, shape (rows, tokens).

        Returns:
            Shape (rows, tokens, vocabulary).
        """
        before = answers[:, :-1]
        there = before != IGNORED
        embedded = self.embeddings(before.masked_fill(~there, 0)).to(rows.embeddings.dtype)
        return self.logits(rows.followed_by(embedded, there.long()), answers.shape[1])

    def generate(self, rows: Rows, ends: Collection[int], most: int) -> Replies:
        """The most likely replies, token by token.

        Args:
            rows: The prompts.
            ends: Tokens that end a reply.
            most: Tokens of a reply, at most.
        """
        cached = self._forward.caches
        run = _Cached(self._forward, self._cast(rows)) if cached else _Whole(self, rows)
        logits = first = run.begin()
        ids: list[list[int]] = [[] for _ in range(len(rows.mask))]
        alive = list(range(len(ids)))
        for _ in range(most):
            chosen = logits.argmax(-1).tolist()
            kept = [place for place, token in enumerate(chosen) if token not in ends]
            for place in kept:
                ids[alive[place]].append(chosen[place])
            alive = [alive[place] for place in kept]
            if not alive or len(ids[alive[0]]) >= most:
                break
            tokens = torch.tensor([[ids[row][-1]] for row in alive], device=logits.device)
            logits = run.extend(torch.tensor(kept, device=logits.device), tokens)
        return Replies(ids, first)

    def _cast(self, rows: Rows) -> Rows:
        """In the type that the model's own embeddings have."""
        return Rows(rows.embeddings.to(self._embedding.weight.dtype), rows.mask)


class _Cached:
    """A generation with a cache of keys and values."""

    def __init__(self, forward: Forward, rows: Rows) -> None:
        self._forward, self._rows = forward, rows
        self._cached = forward.empty(len(rows.mask))

    def begin(self) -> Tensor:
        prompts = self._rows.embeddings
        return self._forward.extend(self._cached, prompts, [len(prompts)], real=self._rows.mask)[:, -1]

    def extend(self, kept: Tensor, tokens: Tensor) -> Tensor:
        if len(kept) < len(self._cached.mask):
            self._cached.keep(kept)
        return self._forward.extend(self._cached, tokens, [len(kept)])[:, -1]


class _Whole:
    """The same for models without a cache that rows can leave: whole rows again for every token."""

    def __init__(self, reader: EmbeddingReader, rows: Rows) -> None:
        self._reader, self._rows = reader, rows

    def begin(self) -> Tensor:
        return self._reader.logits(self._rows, 1)[:, -1]

    def extend(self, kept: Tensor, tokens: Tensor) -> Tensor:
        rows = Rows(self._rows.embeddings[kept], self._rows.mask[kept])
        added = self._reader.embeddings(tokens).to(rows.embeddings.dtype)
        self._rows = rows.followed_by(added, rows.mask.new_ones(tokens.shape))
        return self.begin()


def entropies(logits: Tensor) -> Tensor:
    """Entropy of each row's distribution over tokens, in nats, shape (rows,)."""
    logs = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    return -(logs.exp() * logs).sum(-1)


def latent_cosines(latents: Sequence[Tensor], partners: Sequence[int]) -> list[float]:
    """Cosine between the latents of each input and of another one, over the tokens that both have.

    Args:
        latents: Centred, each of shape (tokens, dimension).
        partners: Index of the other one.
    """
    cosines = []
    for latent, partner in zip(latents, partners, strict=True):
        length = min(len(latent), len(latents[partner]))
        mine, other = (each[:length].flatten().double() for each in (latent, latents[partner]))
        cosines.append(float(cosine_similarity(mine, other, dim=0)))
    return cosines
