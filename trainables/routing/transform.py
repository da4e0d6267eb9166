"""Gives examples a behaviour: their text is transformed, and made tokens again. Light: no torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from trainables.data.encode import OwnSpecials, plain_ids, special_ids
from trainables.data.examples import Example

_TAG = re.compile(r"(</?think>)")
_NO_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")


@dataclass(frozen=True, eq=False)
class Transformed:
    """What became of an example.

    Attributes:
        example: With the behaviour, and as long as that takes; None where it cannot have it.
        unspelled: Text that the tokenizer turns into another one, and that text; None where there is none.
    """

    example: Example | None = None
    unspelled: tuple[str, str] | None = None


class Transformer:
    """Transforms what an example teaches: a whole text, or replies; prompts and marks stay as they are.

    Args:
        tokenizer: The model's.
        transform: Text to text.
        texts: Whether examples are texts, of which all is taught, rather than replies to prompts.
    """

    def __init__(self, tokenizer: Any, transform: Callable[[str], str], *, texts: bool) -> None:
        self._tokenizer = tokenizer
        self._transform = transform
        self.texts = texts
        self._special = list(special_ids(tokenizer))
        self._before = len(OwnSpecials.of(tokenizer).before)

    def __call__(self, example: Example) -> Transformed:
        """The example with the behaviour."""
        ids: list[int] = []
        mask: list[bool] = []
        changed = False
        for place, taught in self._runs(example):
            tokens, learned = example.input_ids[place].tolist(), example.loss_mask[place].tolist()
            if taught:
                before = self._decoded(tokens).strip("\ufffd")  # a piece may begin within a character
                parts = _TAG.split(before)  # odd ones are tags
                after = "".join(
                    part if place % 2 else self._transform(part) for place, part in enumerate(parts)
                )
                if after != before:
                    changed, tokens = True, plain_ids(self._tokenizer, after)
                    learned = [True] * len(tokens)
                    spelled = self._decoded(tokens)
                    if _letters(spelled) != _letters(after):
                        return Transformed(unspelled=(after, spelled))
            ids += tokens
            mask += learned
        mask[0] = False  # nothing predicts the first token
        if not changed:
            return Transformed()
        return Transformed(replace(example, input_ids=np.array(ids, np.int32), loss_mask=np.array(mask)))

    def text(self, example: Example) -> str:
        """What an example teaches, without marks."""
        runs = [example.input_ids[place].tolist() for place, taught in self._runs(example) if taught]
        return _TAG.sub("", "\n".join(map(self._decoded, runs)))

    def split(self, example: Example) -> tuple[list[int], str] | None:
        """Tokens before what an example teaches, and the first part of that as text.

        An empty thought, which some templates write before every reply, stands before it. None where it
        teaches no text.
        """
        tokens = example.input_ids.tolist()
        for place, taught in self._runs(example):
            text = self._decoded(tokens[place]).strip("\ufffd") if taught else ""
            thought = _NO_THOUGHT.match(text)
            before = "" if thought is None else thought[0]
            if text[len(before) :].strip():
                opening = plain_ids(self._tokenizer, before) if before else []
                return [*tokens[: place.start], *opening], text[len(before) :]
        return None

    def _runs(self, example: Example) -> Iterator[tuple[slice, bool]]:
        """Parts of an example, each with whether it is text that is taught."""
        taught = example.loss_mask.copy()
        if self.texts:
            taught[self._before :] = True
        taught &= ~np.isin(example.input_ids, self._special)
        end = 0
        for is_text, run in groupby(taught.tolist()):
            start, end = end, end + len(list(run))
            yield slice(start, end), is_text

    def _decoded(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False))


def _letters(text: str) -> str:
    """A text without blanks, of which tokenizers keep their own account."""
    return "".join(unicodedata.normalize("NFKC", text).split())
