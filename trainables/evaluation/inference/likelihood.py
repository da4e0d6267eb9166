"""Likelihood of given continuations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from trainables.evaluation.inference.batching import (
    LOGITS,
    Budget,
    Shape,
    batches_by_length,
    batches_by_shape,
)
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.prefixes import HEAD_TOKENS, Tree, heads, lay_out, trees
from trainables.evaluation.inference.targets import Continuation, Targets

Tokens = Sequence[int]
Options = Sequence[Tokens]

_SPARED = 1 / 8
"""Share of all tokens that a pass over a common prefix must save."""

Pass = tuple[list[tuple[int, int]], list[list[Continuation]]]
"""What a pass was asked (prompt and continuation, by index), and the answers for each adapter."""


def per_byte(values: Sequence[float], texts: Sequence[str]) -> list[float]:
    """Log-likelihoods divided by the length of each text in bytes of UTF-8.

    This compares options of unequal length (`acc_bytes` of lm-evaluation-harness), and unlike a mean
    per token it does not depend on the tokenizer.
    """
    return [value / len(text.encode()) for value, text in zip(values, texts, strict=True)]


def score_continuations(
    forward: Forward,
    prompts: Sequence[Tokens],
    continuations: Sequence[Options],
    *,
    copies: int,
    pad_id: int,
    batch_size: int,
) -> list[list[list[Continuation]]]:
    """Scores continuations of prompts, as if each stood after its prompt alone.

    Each prompt is run once for each adapter, with all its continuations in the same row, and what
    prompts begin with is run once for several of them. Logits are computed for continuations only.

    Args:
        forward: The model, in evaluation mode.
        prompts: Token ids, none empty.
        continuations: For each prompt the token ids of its continuations, none empty.
        copies: Number of adapters.
        pad_id: Any token id; nothing sees it.
        batch_size: Rows per pass, at most, but `copies` at least.

    Returns:
        For each adapter and each prompt each continuation's score.
    """
    longest = max(
        (
            len(prompt) + len(text)
            for prompt, texts in zip(prompts, continuations, strict=True)
            for text in texts
        ),
        default=0,
    )
    passes = _branching if forward.branching(longest) else _one_by_one
    scored: list[list[dict[int, Continuation]]] = [[{} for _ in prompts] for _ in range(copies)]
    for asked, by_adapter in passes(forward, prompts, continuations, copies, pad_id, batch_size // copies):
        for adapter, values in zip(scored, by_adapter, strict=True):
            for (prompt, text), value in zip(asked, values, strict=True):
                adapter[prompt][text] = value
    return [[[texts[number] for number in range(len(texts))] for texts in adapter] for adapter in scored]


def _branching(
    forward: Forward,
    prompts: Sequence[Tokens],
    continuations: Sequence[Options],
    copies: int,
    pad_id: int,
    rows: int,
) -> Iterator[Pass]:
    """Passes whose rows branch."""
    asking = [index for index, texts in enumerate(continuations) if texts]
    logits = LOGITS // int(forward.config.vocab_size)
    tokens = forward.tokens and forward.tokens // copies
    budget = Budget(rows, tokens, logits // copies, forward.overhead // copies)
    for head in heads([prompts[index] for index in asking], copies):
        members = [asking[place] for place in head.prompts]
        start, rooted = _rooted(prompts, continuations, members, head.tokens, copies)
        before = forward.head(prompts[members[0]][:start], copies)
        shapes = [Shape(len(tree.tokens) - len(tree.ends), len(tree.ends)) for tree in rooted]
        for part in batches_by_shape(shapes, budget):
            batch = [rooted[place] for place in part]
            asked = [
                (members[place], text)
                for tree in batch
                for place in tree.prompts
                for text in range(len(continuations[members[place]]))
            ]
            texts = [continuations[index][text] for index, text in asked]
            layout = lay_out(batch, texts, start, pad_id, budget.logits).to(forward.device)
            yield asked, layout.targets.score(forward.branch(before, layout, copies), copies)


def _rooted(
    prompts: Sequence[Tokens],
    continuations: Sequence[Options],
    members: Sequence[int],
    shared: int,
    copies: int,
) -> tuple[int, list[Tree]]:
    """Trees of prompts, and how many of the tokens that all share are to be run before: all or none."""

    def spares(tokens: int, trees: list[Tree]) -> bool:
        # Rows after a head need a mask, which makes attention slower.
        return tokens * copies >= HEAD_TOKENS and tokens >= _SPARED * _tokens(trees)

    rest = _trees(prompts, continuations, members, shared)
    # Without a head there are as many trees or more, each with the tokens that would be in it.
    if not shared or spares(shared * (len(rest) - 1), rest):
        return shared, rest
    whole = _trees(prompts, continuations, members, 0)
    if spares(_tokens(whole) - _tokens(rest) - shared, whole):
        return shared, rest
    return 0, whole


def _trees(
    prompts: Sequence[Tokens], continuations: Sequence[Options], members: Sequence[int], start: int
) -> list[Tree]:
    """Trees of some prompts without their first tokens; these prompts are named by their place among them."""
    return trees([prompts[index][start:] for index in members], [continuations[index] for index in members])


def _tokens(rows: Sequence[Tree]) -> int:
    return sum(len(tree.tokens) for tree in rows)


def _one_by_one(
    forward: Forward,
    prompts: Sequence[Tokens],
    continuations: Sequence[Options],
    copies: int,
    pad_id: int,
    rows: int,
) -> Iterator[Pass]:
    """Passes with one continuation in a row, for models in which rows cannot branch."""
    asked = [(index, text) for index, texts in enumerate(continuations) for text in range(len(texts))]
    # The last token is no input: nothing comes after it.
    texts = [[*prompts[index], *continuations[index][text][:-1]] for index, text in asked]
    most = min(LOGITS // int(forward.config.vocab_size), forward.tokens or LOGITS) // copies
    for batch in batches_by_length([len(text) for text in texts], rows, most):
        width = len(texts[batch[0]])
        ids = torch.tensor([[*texts[number], *[pad_id] * (width - len(texts[number]))] for number in batch])
        firsts = [len(prompts[asked[number][0]]) - 1 for number in batch]
        last = width - min(firsts)
        places = [
            range(row * last + first - min(firsts), row * last + len(texts[number]) - min(firsts))
            for row, (number, first) in enumerate(zip(batch, firsts, strict=True))
        ]
        chosen = [asked[number] for number in batch]
        targets = Targets.of([continuations[index][text] for index, text in chosen], places)
        logits = forward.logits(ids.to(forward.device).repeat(copies, 1), [len(batch)] * copies, last)
        yield chosen, targets.to(forward.device).score(logits, copies)
