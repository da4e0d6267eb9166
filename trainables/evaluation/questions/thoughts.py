"""Parts replies into what is thought and what is answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trainables.data.encode import special_ids
from trainables.data.units import THINK_CLOSE, THINK_OPEN


class Parts:
    """Parts replies into a think section and an answer.

    Args:
        tokenizer: The model's.
        thinks: Whether replies are to begin with a think section.
        opened: Whether prompts end with the beginning of one.
    """

    def __init__(self, tokenizer: Any, *, thinks: bool, opened: bool) -> None:
        self._tokenizer = tokenizer
        self._thinks, self._opened = thinks, opened
        self._marks = [mark for mark in special_ids(tokenizer).values() if mark]

    def of(self, ids: Sequence[int]) -> tuple[str, str]:
        """A reply's think section, empty for none, and the answer; none where the section does not end."""
        whole = self._decoded(ids, skip=False)  # the tags may be special tokens
        begins = self._opened or whole.lstrip().startswith(THINK_OPEN)
        if THINK_CLOSE in whole and (begins or self._thinks):
            thought, rest = split_thought(whole)
            for mark in self._marks:
                rest = rest.replace(mark, "")
            return thought, rest
        return "", "" if begins else self.text(ids)

    def text(self, ids: Sequence[int]) -> str:
        """All of a reply, without special tokens."""
        return self._decoded(ids, skip=True)

    def _decoded(self, ids: Sequence[int], *, skip: bool) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False))


_SECTION = re.compile(r"\s*(?:<think>)?(?P<thought>.*?)</think>(?P<rest>.*)", re.DOTALL)


def split_thought(reply: str) -> tuple[str, str]:
    """The text of the think section, and what comes after it.

    Some chat templates open the section themselves, so it need not begin with `<think>`; it must end.

    Returns:
        An empty thought and the reply as it is where there is no such section.
    """
    match = _SECTION.fullmatch(reply)
    return (match["thought"].strip(), match["rest"]) if match else ("", reply)
