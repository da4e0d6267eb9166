"""Batches of the pretraining text as token ids."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from trainables.embedded.examples import Exchange


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


def _encode(tokenizer: PreTrainedTokenizerFast, exchange: Exchange) -> tuple[list[int], int]:
    """Return the tokens of an exchange and how many of them are prompt."""
    prompt = _prompt(tokenizer, exchange)
    return [*prompt, *tokenizer(exchange.reply)["input_ids"], tokenizer.eos_token_id], len(prompt)


def make_batch(tokenizer: PreTrainedTokenizerFast, exchanges: Iterable[Exchange]) -> Batch:
    """Return the exchanges as one batch."""
    rows = [_encode(tokenizer, exchange) for exchange in exchanges]
    length = max(len(ids) for ids, _ in rows)
    input_ids = torch.full((len(rows), length), tokenizer.pad_token_id)
    mask = torch.zeros(len(rows), length - 1, dtype=torch.bool)
    for row, (ids, prompt) in enumerate(rows):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        mask[row, max(prompt - 1, 0) : len(ids) - 1] = True
    return Batch(input_ids, mask)
