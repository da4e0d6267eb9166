"""Batched generation, with drafts of the expected replies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import repeat, takewhile
from operator import eq
from typing import TypeAlias

import torch
from torch import Tensor

from trainables.evaluation.inference.batching import LOGITS, PASS_TOKENS, batches_by_length
from trainables.evaluation.inference.cached import CachedRows
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.prefixes import HEAD_TOKENS, shared_prefix

Tokens: TypeAlias = Sequence[int]

Owner: TypeAlias = tuple[int, int]
"""Adapter and prompt of a row."""

Choose: TypeAlias = Callable[[Tensor, Sequence[Owner], Sequence[int]], list[list[int]]]
"""Chooses tokens by logits of shape (rows, tokens, vocabulary), given each row's owner, and at which place of
its reply the first of the tokens stands; what is before its beginning is not used."""


def most_likely(logits: Tensor, owners: Sequence[Owner], firsts: Sequence[int]) -> list[list[int]]:
    """Chooses the most likely tokens, by logits of shape (rows, tokens, vocabulary); see `Choose`."""
    chosen: list[list[int]] = logits.argmax(-1).tolist()
    return chosen


ACCEPTED = 1 / 3
"""Share of a batch's drafted tokens that must be right for the next batch to have drafts: they cost a pass
over a prompt a little, and spare passes over single tokens, which cost more."""


def generate(
    forward: Forward,
    prompts: Sequence[Tokens],
    *,
    copies: int,
    ends: Collection[int],
    pad_id: int,
    max_new_tokens: int,
    batch_size: int,
    ended: Callable[[list[int]], bool] | None = None,
    drafts: Sequence[Tokens] | None = None,
    choose: Choose = most_likely,
    apart: bool = False,
) -> list[list[list[int]]]:
    """Replies to each prompt by each adapter, token by token: the most likely tokens, or those of `choose`.

    A row leaves the batch as soon as it has ended, whichever adapter it belongs to, and the next prompts
    take the place of those that left (continuous batching: Yu et al., 2022, OSDI, "Orca").

    The pass over a prompt also tells how far an adapter agrees with the prompt's draft (speculative decoding
    with a reference as the draft: Leviathan et al., 2023, arXiv:2211.17192; Yang et al., 2023,
    arXiv:2304.04487). So much of the reply is then known, and the token after it: a reply that is as
    drafted takes one pass. Drafts change no reply, but for the rounding of passes of another shape, as
    other rows in the batch may.

    Args:
        forward: The model, in evaluation mode.
        prompts: Token ids.
        copies: Number of adapters, at least one.
        ends: Tokens that end a reply.
        pad_id: Any token id; it is masked.
        max_new_tokens: Length of a reply, at most.
        batch_size: Rows per pass, at most, but `copies` at least.
        ended: Whether a reply has ended for another reason, given its tokens; they are all kept.
        drafts: For each prompt a reply that may well be the adapters' own, without the token that ends it.
        choose: Chooses another token than the most likely one (`sampling`).
        apart: Whether each adapter has prompts of its own: those of the first come first, then as many
            of the next. There are no drafts then.

    Returns:
        For each adapter and each prompt the reply's token ids, without the token that ended it.
    """
    asked = _Asked(prompts, copies, apart)
    replies = _Replies(copies, asked.count, ends, max_new_tokens, ended, choose)
    if not forward.caches:
        _without_cache(forward, asked, replies, copies, pad_id, max(1, batch_size // copies))
        return replies.ids
    joinable = forward.empty(1).joinable
    # Prompts come in as soon as half of the rows have left.
    most = max(1, batch_size // copies // (2 if joinable else 1))
    places = LOGITS // int(forward.config.vocab_size) // (most * copies)  # of a row, that may have logits
    # The last token of a reply is no input.
    longest = max(0, min(places, max_new_tokens) - 1) if joinable else 0
    drafted = _Drafts([draft[:longest] for draft in drafts or [()] * asked.count], longest)
    lengths = [length + len(draft) for length, draft in zip(asked.lengths, drafted.ids, strict=True)]
    waiting = deque(batches_by_length(lengths, most, forward.tokens and forward.tokens // copies))
    head = _head(forward, prompts, copies) if len(waiting) > 1 and not apart else None
    running: _Running | None = None
    while waiting or running:
        taken = len(running.owners) if running else 0
        if waiting and (not taken or (joinable and taken + len(waiting[0]) * copies <= batch_size)):
            fresh = _begin(forward, asked, waiting.popleft(), replies, drafted, copies, pad_id, head)
            running = running.joined(fresh) if running and fresh else running or fresh
        elif running:
            running = _extend(forward, running, replies, drafted, copies, pad_id)
    return replies.ids


def _head(forward: Forward, prompts: Sequence[Tokens], copies: int) -> CachedRows | None:
    """What all prompts begin with, run once for all batches, if that spares enough."""
    shared = shared_prefix(prompts) if forward.shares_prefixes else 0
    if shared * (len(prompts) - 1) * copies < HEAD_TOKENS:
        return None
    return forward.head(prompts[0][:shared], copies)


def _begin(
    forward: Forward,
    asked: _Asked,
    batch: Sequence[int],
    replies: _Replies,
    drafted: _Drafts,
    copies: int,
    pad_id: int,
    head: CachedRows | None,
) -> _Running | None:
    """Runs these prompts with their drafts, and returns the rows whose replies have not ended."""
    proposed = drafted.of(batch)
    owners = [(adapter, index) for adapter in range(copies) for index in batch]
    texts = [asked.of(*owner) for owner in owners]
    if asked.apart:
        logits, rows = forward.prefill(texts, copies, pad_id, proposed * copies, apart=True)
    else:
        logits, rows = forward.prefill(texts[: len(batch)], copies, pad_id, proposed, head=head)
    running = replies.take(_Running(owners, rows), logits, proposed * copies)
    drafted.judge(batch, replies.ids)
    return running


def _extend(
    forward: Forward, running: _Running, replies: _Replies, drafted: _Drafts, copies: int, pad_id: int
) -> _Running | None:
    """Runs the last token of each row, with the rest of its draft, and returns the rows that continue."""
    count = len(running.owners)
    proposed = drafted.rest(running.owners, replies.ids, pad_id)
    known = replies.known if proposed[0] else 0
    ids = torch.cat([running.tokens, running.tokens.new_tensor(proposed)], dim=1)
    logits = forward.extend(running.rows, ids, running.counts(copies), last=ids.shape[1])
    remaining = replies.take(running, logits, proposed)
    if proposed[0]:
        drafted.judge_rest(replies.known - known - count)
    return remaining


def _without_cache(
    forward: Forward, asked: _Asked, replies: _Replies, copies: int, pad_id: int, most: int
) -> None:
    """Runs whole texts in every pass: slow, and right for every architecture."""
    for batch in batches_by_length(asked.lengths, most, forward.tokens):
        owners = [(adapter, index) for adapter in range(copies) for index in batch]
        while owners:
            texts = [[*asked.of(*owner), *replies.ids[owner[0]][owner[1]]] for owner in owners]
            ends = torch.tensor([len(text) - 1 for text in texts], device=forward.device)
            width = int(ends.max()) + 1
            # Padding on the right, which no token before it sees.
            ids = torch.tensor([[*text, *[pad_id] * (width - len(text))] for text in texts])
            counts = [sum(adapter == owner for owner, _ in owners) for adapter in range(copies)]
            last = width - int(ends.min())
            logits = forward.logits(ids.to(forward.device), counts, last)
            wanted = logits[torch.arange(len(owners)), ends - (width - last)][:, None]
            chosen = replies.chosen(wanted, owners)
            owners = [
                owner
                for owner, tokens in zip(owners, chosen, strict=True)
                if replies.accept(owner, tokens, ()) is not None
            ]


class _Asked:
    """The prompts of each adapter.

    Args:
        prompts: Of all adapters, or of one after another.
        copies: Number of adapters.
        apart: Whether each has its own.
    """

    def __init__(self, prompts: Sequence[Tokens], copies: int, apart: bool) -> None:
        self.apart = apart
        self.count = len(prompts) // (copies if apart else 1)
        self._prompts = prompts

    def of(self, adapter: int, index: int) -> Tokens:
        """An adapter's prompt."""
        return self._prompts[adapter * self.count * self.apart + index]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each prompt, the most of any adapter."""
        columns = range(self.count)
        return [max(map(len, self._prompts[index :: self.count])) for index in columns]


class _Drafts:
    """Drafts of replies by prompt, used as long as enough of their tokens are right.

    Args:
        ids: For each prompt.
        longest: Tokens of a reply that are input, at most.
    """

    def __init__(self, ids: list[Tokens], longest: int) -> None:
        self.ids = ids
        self._longest = longest
        self._good = self._rest_good = True

    def of(self, batch: Sequence[int]) -> list[Tokens]:
        """Of these prompts."""
        return [self.ids[index] if self._good else () for index in batch]

    def rest(
        self, owners: Sequence[tuple[int, int]], replies: Sequence[Sequence[Tokens]], pad_id: int
    ) -> list[Tokens]:
        """The draft's rest after each reply that differs from its draft, perhaps in one token only.

        All are of the same length; a pass with them has no more tokens than cost as much as the pass itself.
        """
        begun = [(self.ids[index], len(replies[adapter][index])) for adapter, index in owners]
        width = min(
            PASS_TOKENS["cpu"] // len(owners) - 1,
            max(len(draft) - known for draft, known in begun),
            self._longest - max(known for _, known in begun),
        )
        width = max(0, width) if self._good and self._rest_good else 0
        return [[*draft[known : known + width], *[pad_id] * width][:width] for draft, known in begun]

    def judge(self, batch: Sequence[int], replies: Sequence[Sequence[Tokens]]) -> None:
        """Judges drafts by the replies to their prompts, as far as they are known after the pass."""
        pairs = [(self.ids[index], adapter[index]) for adapter in replies for index in batch]
        drafted = sum(len(draft) for draft, _ in pairs)
        right = sum(sum(1 for _ in takewhile(bool, map(eq, draft, reply))) for draft, reply in pairs)
        self._good = self._good and right >= ACCEPTED * drafted

    def judge_rest(self, gained: int) -> None:
        """Takes the number of right tokens of the drafts' rest; after zero, drafts are no longer used."""
        self._rest_good = gained > 0


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
    """The replies generated so far, by adapter and prompt."""

    def __init__(
        self,
        copies: int,
        prompts: int,
        ends: Collection[int],
        most: int,
        ended: Callable[[list[int]], bool] | None,
        choose: Choose,
    ) -> None:
        self.ids: list[list[list[int]]] = [[[] for _ in range(prompts)] for _ in range(copies)]
        self._ends = ends
        self._most = most
        self._ended = ended
        self._choose = choose

    def chosen(
        self, logits: Tensor, owners: Sequence[Owner], drafts: Sequence[Tokens] = ()
    ) -> list[list[int]]:
        """The tokens after each of the last ones, which are the drafts where there are any."""
        drafted = map(len, drafts) if drafts else repeat(0)
        firsts = [
            len(self.ids[adapter][prompt]) + length + 1 - logits.shape[1]
            for (adapter, prompt), length in zip(owners, drafted, strict=False)
        ]
        return self._choose(logits, owners, firsts)

    def take(self, running: _Running, logits: Tensor, drafts: Sequence[Tokens]) -> _Running | None:
        """Adds each row's tokens as far as they are known, and returns the rows that continue.

        Args:
            running: The rows, whose last tokens in the cache are the drafts.
            logits: Of the tokens after each of the last ones, shape (rows, tokens, vocabulary).
            drafts: Of each row.
        """
        chosen = self.chosen(logits, running.owners, drafts)
        rest, last, refused = [], [], []
        for row, (tokens, draft) in enumerate(zip(chosen, drafts, strict=True)):
            fresh = tokens[-1 - len(draft) :]
            accepted = self.accept(running.owners[row], fresh, draft)
            if accepted is not None:
                rest.append(row)
                last.append(fresh[accepted])
                refused.append(len(draft) - accepted)
        if not rest:
            return None
        kept = torch.tensor(rest, device=logits.device)
        if any(refused):
            running.rows.take_back(kept, torch.tensor(refused, device=logits.device))
        elif len(rest) < len(running.owners):
            running.rows.keep(kept)
        running.owners = [running.owners[row] for row in rest]
        running.tokens = torch.tensor(last, device=logits.device)[:, None]
        return running

    @property
    def known(self) -> int:
        """Number of tokens of all replies."""
        return sum(len(reply) for adapter in self.ids for reply in adapter)

    def accept(self, owner: tuple[int, int], tokens: Tokens, draft: Tokens) -> int | None:
        """Adds tokens, each of which holds if those before it are the draft's.

        Returns:
            How many of the draft's tokens are the reply's, None where it has ended.
        """
        adapter, prompt = owner
        reply = self.ids[adapter][prompt]
        for accepted, token in enumerate(tokens):
            if token in self._ends:
                return None
            reply.append(token)
            if len(reply) >= self._most or (self._ended and self._ended(reply)):
                return None
            if accepted == len(draft) or token != draft[accepted]:
                return accepted
        raise AssertionError("a draft has a token after it")
