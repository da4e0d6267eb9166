"""Likelihood of given replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainables.evaluation.batching import batches_by_length
from trainables.evaluation.forward import Forward, left_padded

Options = Sequence[Sequence[int]]


def log_likelihoods(
    forward: Forward, prompts: Sequence[Sequence[int]], options: Sequence[Options], *, pad_id: int, rows: int
) -> list[list[float]]:
    """Log-probability of every option as the reply to its prompt, in nats, summed over its tokens.

    Each prompt is run once; its options share the cached keys and values.

    Args:
        forward: The model, in evaluation mode.
        prompts: Token ids.
        options: For each prompt the token ids of its options, none empty. With the end-of-sequence
            token, the value is that of the whole reply, and short options have no advantage that a
            model does not give them.
        pad_id: Any token id; it is masked.
        rows: Options per batch, at most; one prompt's options are never divided.

    Returns:
        For each prompt the value of each option.
    """
    scores: list[list[float]] = [[] for _ in prompts]
    most = max((len(texts) for texts in options), default=1)
    for batch in batches_by_length([len(prompt) for prompt in prompts], max(1, rows // most)):
        prefix = forward.prefill([prompts[index] for index in batch], pad_id)
        owners = [row for row, index in enumerate(batch) for _ in options[index]]
        texts = [text for index in batch for text in options[index]]
        values = iter(_score(forward, prefix, owners, texts, pad_id))
        for index in batch:
            scores[index] = [next(values) for _ in options[index]]
    return scores


def _score(
    forward: Forward,
    prefix: tuple[Tensor, Tensor, Any],
    owners: list[int],
    texts: list[Sequence[int]],
    pad_id: int,
) -> list[float]:
    logits, mask, cache = prefix
    first = logits.float().log_softmax(-1)
    rows = torch.tensor(owners, device=mask.device)
    # Options are padded on the left as well and flipped, which puts the padding on the right.
    targets, real = (
        part.flip(1) for part in left_padded([text[::-1] for text in texts], pad_id, mask.device)
    )
    total = first[rows, targets[:, 0]]
    if targets.shape[1] > 1:
        cache.batch_select_indices(rows)
        logits = forward.cached(
            targets[:, :-1], torch.cat([mask[rows], real[:, :-1]], dim=1), cache, last_only=False
        )
        later = logits.float().log_softmax(-1).gather(-1, targets[:, 1:, None]).squeeze(-1)
        total = total + later.masked_fill(real[:, 1:] == 0, 0.0).sum(-1)
    values: list[float] = total.tolist()
    return values
