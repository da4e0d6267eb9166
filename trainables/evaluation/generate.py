"""Greedy generation, batched."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from trainables.evaluation.batching import batches_by_length
from trainables.evaluation.forward import Forward


def greedy(
    forward: Forward,
    prompts: Sequence[Sequence[int]],
    *,
    ends: Collection[int],
    pad_id: int,
    max_new_tokens: int,
    rows: int,
) -> list[list[int]]:
    """The most likely continuation of each prompt, token by token.

    A row leaves the batch as soon as it has ended, so that few long replies do not hold up the rest.

    Args:
        forward: The model, in evaluation mode.
        prompts: Token ids.
        ends: Tokens that end a reply.
        pad_id: Any token id; it is masked.
        max_new_tokens: Length of a reply, at most.
        rows: Prompts per batch, at most.

    Returns:
        Token ids of each reply, without the token that ended it.
    """
    replies: list[list[int]] = [[] for _ in prompts]
    for batch in batches_by_length([len(prompt) for prompt in prompts], rows):
        logits, mask, cache = forward.prefill([prompts[index] for index in batch], pad_id)
        active = list(batch)
        for step in range(max_new_tokens):
            tokens = logits.argmax(-1)
            rest = []
            for row, token in enumerate(tokens.tolist()):
                if token not in ends:
                    replies[active[row]].append(token)
                    rest.append(row)
            if not rest or step == max_new_tokens - 1:
                break
            if len(rest) < len(active):
                kept = torch.tensor(rest, device=forward.device)
                cache.batch_select_indices(kept)
                tokens, mask = tokens[kept], mask[kept]
                active = [active[row] for row in rest]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            logits = forward.cached(tokens[:, None], mask, cache, last_only=True)[:, -1]
    return replies
