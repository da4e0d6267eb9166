"""Pretraining text as token ids: conversations and plain text, and which tokens are learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from trainables.embedded.texts import Exchange


@dataclass(frozen=True)
class Batch:
    """Token ids (batch, length), padded on the right, and which of their next tokens are targets.

    `mask` has shape (batch, length - 1).
    """

    input_ids: torch.Tensor
    mask: torch.Tensor


def _prompt(tokenizer: PreTrainedTokenizerFast, exchange: Exchange) -> list[int]:
    if exchange.plain:
        return list(tokenizer(exchange.user)["input_ids"])
    messages = [{"role": "user", "content": exchange.user}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text)["input_ids"])


def _encode(
    tokenizer: PreTrainedTokenizerFast, exchanges: Iterable[Exchange]
) -> tuple[list[int], list[bool]]:
    """The tokens of a conversation, and which of them are learned: replies and their ends."""
    ids: list[int] = []
    learned: list[bool] = []
    for exchange in exchanges:
        prompt = _prompt(tokenizer, exchange)
        reply = [*tokenizer(exchange.reply)["input_ids"], tokenizer.eos_token_id]
        ids += prompt + reply
        learned += [False] * len(prompt) + [True] * len(reply)
    return ids, learned


def make_batch(tokenizer: PreTrainedTokenizerFast, conversations: Iterable[Sequence[Exchange]]) -> Batch:
    """The conversations as one batch, a row each."""
    rows = [_encode(tokenizer, exchanges) for exchanges in conversations]
    length = max(len(ids) for ids, _ in rows)
    input_ids = torch.full((len(rows), length), tokenizer.pad_token_id)
    mask = torch.zeros(len(rows), length - 1, dtype=torch.bool)
    for row, (ids, learned) in enumerate(rows):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        mask[row, : len(ids) - 1] = torch.tensor(learned[1:])
    return Batch(input_ids, mask)
