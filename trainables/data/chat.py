"""Puts messages to a model the way its tokenizer wants them."""

from __future__ import annotations

from typing import Any


def prompt_ids(tokenizer: Any, message: str) -> list[int]:
    """Tokens of a user message, up to where the reply begins.

    Through the tokenizer's chat template; without one, the message as it is.
    """
    if tokenizer.chat_template is None:
        return list(tokenizer(message)["input_ids"])
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": message}], add_generation_prompt=True, tokenize=False
    )
    return plain_ids(tokenizer, text)


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Tokens of text without the special tokens that a tokenizer adds at its ends."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
