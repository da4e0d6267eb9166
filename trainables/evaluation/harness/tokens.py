"""Text to tokens by the rules of lm-evaluation-harness (its `HFLM`), on which its scores depend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class HarnessTokens:
    """A tokenizer under the harness's rules.

    Args:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        bos = tokenizer.bos_token_id
        self.prefix = int(tokenizer.eos_token_id if bos is None else bos)
        """What stands before a text that nothing goes before."""
        self._prefix_text = str(tokenizer.decode(self.prefix))
        self._known: dict[str, list[int]] = {}

    def whole(self, text: str) -> list[int]:
        """A text with the special tokens that the tokenizer adds, except to one that begins with its own."""
        if text in self._known:
            return list(self._known[text])
        if text.startswith(self._prefix_text):
            return self.bare(text)
        return list(self._tokenizer.encode(text))

    def read_ahead(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Makes the tokens of contexts and continuations that `pair` will be asked for, all at once.

        A tokenizer is several times as fast with many texts as with one after another. What was read
        before is forgotten.
        """
        texts = {
            text for context, continuation in pairs for text in (context.rstrip(), context + continuation)
        }
        plain = [text for text in texts if text and not text.startswith(self._prefix_text)]
        self._known = dict(zip(plain, self._tokenizer(plain)["input_ids"], strict=True)) if plain else {}

    def bare(self, text: str) -> list[int]:
        """A text without them."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, text: str) -> list[int]:
        """A text to be continued by generation."""
        bos = self._tokenizer.bos_token
        return (
            self.bare(text)
            if bos is not None and text.startswith(bos)
            else list(self._tokenizer.encode(text))
        )

    def pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """A context and its continuation, which are tokenised as one text and then parted.

        Spaces at the end of the context go with the continuation, as they do in the text that a
        tokenizer was trained on.
        """
        if not context:
            ids = self.bare(continuation)
            return (ids[:1], ids[1:]) if ids[:1] == [self.prefix] else ([self.prefix], ids)
        kept = context.rstrip()
        continuation, context = context[len(kept) :] + continuation, kept
        before = self.whole(context)
        return before or [self.prefix], self.whole(context + continuation)[len(before) :]

    def text(self, ids: list[int]) -> str:
        """Generated tokens as text, without special tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    @property
    def end(self) -> str:
        """The text of the token that ends a reply."""
        return str(self._tokenizer.decode(self._tokenizer.eos_token_id, skip_special_tokens=False))
