"""A tokenizer of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class WordTokenizer:
    """One token per word that stands between blanks; numbers are given as words come."""

    unk_token_id = None
    all_special_ids: tuple[int, ...] = ()
    all_special_tokens: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._words: list[str] = []

    def ids(self, text: str) -> list[int]:
        found = text.split()
        self._words += [word for word in dict.fromkeys(found) if word not in self._words]
        return [self._words.index(word) for word in found]

    def __call__(self, text: str, **_: bool) -> dict[str, list[int]]:
        return {"input_ids": self.ids(text)}

    def decode(self, ids: Iterable[int], **_: bool) -> str:
        return " ".join(self._words[token] for token in ids)

    def batch_decode(self, rows: Sequence[Iterable[int]], **options: bool) -> list[str]:
        return [self.decode(row, **options) for row in rows]
