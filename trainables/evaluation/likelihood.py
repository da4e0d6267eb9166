"""Likelihood of given replies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.evaluation.batching import batches_by_length
from trainables.evaluation.cached import CachedRows
from trainables.evaluation.forward import Forward, left_padded

Options = Sequence[Sequence[int]]


def log_likelihoods(
    forward: Forward,
    prompts: Sequence[Sequence[int]],
    options: Sequence[Options],
    *,
    copies: int,
    pad_id: int,
    batch_size: int,
) -> list[list[list[float]]]:
    """Log-probability of every option as the reply to its prompt, in nats, summed over its tokens.

    Each prompt is run once for each adapter; its options share the cached keys and values.

    Args:
        forward: The model, in evaluation mode.
        prompts: Token ids.
        options: For each prompt the token ids of its options, none empty. With the end-of-sequence
            token, the value is that of the whole reply, and short options have no advantage that a
            model does not give them.
        copies: Number of adapters.
        pad_id: Any token id; it is masked.
        batch_size: Rows per pass, at most, but `copies` at least.

    Returns:
        For each adapter and each prompt the value of each option.
    """
    scores = [[[0.0] * len(texts) for texts in options] for _ in range(copies)]
    most, tokens = batch_size // copies, forward.tokens and forward.tokens // copies
    for batch in batches_by_length([len(prompt) for prompt in prompts], most, tokens):
        logits, rows = forward.prefill([prompts[index] for index in batch], copies, pad_id)
        first = logits.float().log_softmax(-1).view(copies, len(batch), -1)
        asked = [
            (place, option) for place, index in enumerate(batch) for option in range(len(options[index]))
        ]
        texts = [options[batch[place]][option] for place, option in asked]
        for part in batches_by_length([len(text) for text in texts], most, tokens):
            places = [asked[number][0] for number in part]
            values = _score(forward, first, rows, places, [texts[number] for number in part], pad_id)
            for own, found in zip(scores, values, strict=True):
                for number, value in zip(part, found, strict=True):
                    place, option = asked[number]
                    own[batch[place]][option] = value
    return scores


def _score(
    forward: Forward,
    first: Tensor,
    rows: CachedRows,
    places: list[int],
    texts: list[Sequence[int]],
    pad_id: int,
) -> list[list[float]]:
    """Values of some options for each adapter.

    Args:
        forward: The model.
        first: Log-probabilities of the token after each prompt, shape (copies, prompts, vocabulary).
        rows: The prompts, copies x prompts; left as they are.
        places: To which of the prompts each option belongs.
        texts: The options' token ids.
        pad_id: Any token id; it is masked.
    """
    copies, prompts, _ = first.shape
    chosen = torch.tensor(places, device=first.device)
    # Options are padded on the left as well and flipped, which puts the padding on the right.
    targets, real = (
        part.flip(1) for part in left_padded([text[::-1] for text in texts], pad_id, first.device)
    )
    total = first[:, chosen, targets[:, 0]]
    if targets.shape[1] > 1:
        firsts = torch.arange(copies, device=first.device) * prompts
        part = rows.copy()
        part.keep((firsts[:, None] + chosen).flatten())
        logits = forward.extend(
            part,
            targets[:, :-1].repeat(copies, 1),
            [len(texts)] * copies,
            real=real[:, :-1].repeat(copies, 1),
            last_only=False,
        )
        wanted = targets[:, 1:].repeat(copies, 1)[..., None]
        later = logits.float().log_softmax(-1).gather(-1, wanted).view(copies, *targets[:, 1:].shape)
        total = total + later.masked_fill(real[:, 1:] == 0, 0.0).sum(-1)
    values: list[list[float]] = total.tolist()
    return values
