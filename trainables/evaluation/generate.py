"""Greedy generation, batched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from trainables.evaluation.batching import batches_by_length
from trainables.evaluation.cached import CachedRows
from trainables.evaluation.forward import Forward


def greedy(
    forward: Forward,
    prompts: Sequence[Sequence[int]],
    *,
    copies: int,
    ends: Collection[int],
    pad_id: int,
    max_new_tokens: int,
    batch_size: int,
    ended: Callable[[list[int]], bool] | None = None,
) -> list[list[list[int]]]:
    """The most likely continuation of each prompt by each adapter, token by token.

    A row leaves the batch as soon as it has ended, whichever adapter it belongs to, and the next prompts
    take the place of those that left (continuous batching: Yu et al., 2022, OSDI, "Orca").

    Args:
        forward: The model, in evaluation mode.
        prompts: Token ids.
        copies: Number of adapters.
        ends: Tokens that end a reply.
        pad_id: Any token id; it is masked.
        max_new_tokens: Length of a reply, at most.
        batch_size: Rows per pass, at most, but `copies` at least.
        ended: Whether a reply has ended for another reason, given its tokens; they are all kept.

    Returns:
        For each adapter and each prompt the reply's token ids, without the token that ended it.
    """
    joinable = forward.empty(1).joinable
    # Prompts come in as soon as half of the rows have left.
    most = max(1, batch_size // copies // (2 if joinable else 1))
    tokens = forward.tokens and forward.tokens // copies
    waiting = deque(batches_by_length([len(prompt) for prompt in prompts], most, tokens))
    replies = _Replies(copies, len(prompts), ends, max_new_tokens, ended)
    running: _Running | None = None
    while waiting or running:
        taken = len(running.owners) if running else 0
        if waiting and (not taken or (joinable and taken + len(waiting[0]) * copies <= batch_size)):
            batch = waiting.popleft()
            logits, rows = forward.prefill([prompts[index] for index in batch], copies, pad_id)
            owners = [(adapter, index) for adapter in range(copies) for index in batch]
            fresh = replies.take(_Running(owners, rows), logits)
            running = running.joined(fresh) if running and fresh else running or fresh
        elif running:
            logits = forward.extend(running.rows, running.tokens, running.counts(copies))[:, -1]
            running = replies.take(running, logits)
    return replies.ids


class _Running:
    """Rows whose replies have not ended, in order of adapter.

    Attributes:
        owners: Adapter and prompt of each row.
        tokens: The last token of each row, which is not yet in the cache, shape (rows, 1).
    """

    def __init__(self, owners: list[tuple[int, int]], rows: CachedRows) -> None:
        self.owners = owners
        self.rows = rows
        self.tokens: Tensor = rows.mask.new_empty((len(owners), 1))

    def counts(self, copies: int) -> list[int]:
        counts = [0] * copies
        for adapter, _ in self.owners:
            counts[adapter] += 1
        return counts

    def joined(self, other: _Running) -> _Running:
        owners = self.owners + other.owners
        order = sorted(range(len(owners)), key=lambda row: owners[row][0])
        rows = torch.tensor(order, device=self.tokens.device)
        self.rows.join(other.rows, rows)
        self.owners = [owners[row] for row in order]
        self.tokens = torch.cat([self.tokens, other.tokens])[rows]
        return self


class _Replies:
    """What has been generated, by adapter and prompt."""

    def __init__(
        self,
        copies: int,
        prompts: int,
        ends: Collection[int],
        most: int,
        ended: Callable[[list[int]], bool] | None,
    ) -> None:
        self.ids: list[list[list[int]]] = [[[] for _ in range(prompts)] for _ in range(copies)]
        self._ends = ends
        self._most = most
        self._ended = ended

    def take(self, running: _Running, logits: Tensor) -> _Running | None:
        """Adds each row's most likely token, and returns what goes on."""
        tokens = logits.argmax(-1)
        rest = []
        for row, token in enumerate(tokens.tolist()):
            adapter, prompt = running.owners[row]
            reply = self.ids[adapter][prompt]
            if token not in self._ends:
                reply.append(token)
                if len(reply) < self._most and not (self._ended and self._ended(reply)):
                    rest.append(row)
        if not rest:
            return None
        if len(rest) < len(running.owners):
            kept = torch.tensor(rest, device=tokens.device)
            running.rows.keep(kept)
            tokens = tokens[kept]
            running.owners = [running.owners[row] for row in rest]
        running.tokens = tokens[:, None]
        return running
