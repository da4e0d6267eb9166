"""Prompts of readings as tokens: what is compressed, the cue that follows as it is, and answers."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any

from trainables.data.asking import Asking
from trainables.data.chat import chat_of
from trainables.data.encode import OwnSpecials, begun_with, encode_all, plain_ids
from trainables.data.fields import filled
from trainables.data.units import WrongRecord
from trainables.errors import UserError
from trainables.reconstruction.records import Reading

_WORD_ENDS = re.compile(r"\S+")


@dataclass(frozen=True)
class Prompt:
    """A reading as tokens.

    Attributes:
        ids: What is compressed: all up to the end of the message.
        cue: What follows as it is and asks for the answer, at least one token.
        cut: Whether the passage was cut at its end, for want of room.
    """

    ids: tuple[int, ...]
    cue: tuple[int, ...]
    cut: bool = False

    @property
    def length(self) -> int:
        """Tokens of it."""
        return len(self.ids) + len(self.cue)


class Prompting:
    """Writes readings for a model, through its chat template if it has one.

    Args:
        tokenizer: The model's.
        template: The message, with the fields passage and question.
        cue: What the reply begins with, before the answer; none where the template's own beginning of a reply
            is cue enough.
        limit: Tokens of a prompt, at most. Only the passage is cut, at its end; never the question.

    Raises:
        UserError: There is neither a cue nor a chat template to ask for an answer.
    """

    def __init__(self, tokenizer: Any, template: str, cue: str | None, limit: int) -> None:
        self._tokenizer, self._template, self._cue, self._limit = tokenizer, template, cue, limit
        self._chat = chat_of(tokenizer)
        self._before = list(OwnSpecials.of(tokenizer).before) if self._chat is None else []
        if self._chat is None and not cue:
            raise UserError(
                "task.cue: the model has no chat template, so nothing asks for an answer.",
                hint='Set task.cue, for example "Answer:".',
            )
        self.asking = Asking(tokenizer)

    @property
    def end(self) -> int:
        """The token that ends an answer."""
        return self.asking.end

    def prompt(self, reading: Reading) -> Prompt:
        """The prompt of a reading, its passage cut where it is too long.

        Raises:
            UserError: The question alone is too long, or the chat template refuses it.
        """
        whole = self._tokens(reading)
        if whole.length <= self._limit:
            return whole
        ends = [match.end() for match in _WORD_ENDS.finditer(reading.passage)]
        fitting = bisect_right(ends, self._limit, key=lambda end: self._tokens(_until(reading, end)).length)
        if not fitting:
            raise UserError(
                f"the question {reading.question[:60]!r} leaves no room for a word of its passage in "
                f"{self._limit} tokens.",
                hint="Set a larger task.max_length, within the model's context.",
            )
        return replace(self._tokens(_until(reading, ends[fitting - 1])), cut=True)

    def shortened(self, reading: Reading, tokens: int) -> Reading:
        """The reading with the first tokens of its passage, up to the end of a word; at least a word."""
        ends = [match.end() for match in _WORD_ENDS.finditer(reading.passage)]

        def length(end: int) -> int:
            return len(plain_ids(self._tokenizer, reading.passage[:end]))

        return _until(reading, ends[max(0, bisect_right(ends, tokens, key=length) - 1)])

    def answer(self, reading: Reading, answer: str) -> tuple[int, ...]:
        """Tokens of an answer after the prompt's cue, with the token that ends it."""
        text, cuts = self._text(reading)
        between = " " if self._cue else ""
        ((ids, counts),) = encode_all(self._tokenizer, [(text + between + answer.strip(), cuts)])
        return (*ids[counts[-1] :], self.end)

    def _tokens(self, reading: Reading) -> Prompt:
        text, (message, _) = self._text(reading)
        ((ids, (compressed, *_)),) = encode_all(self._tokenizer, [(text, [message])])
        return Prompt((*begun_with(self._before, ids[:compressed]),), tuple(ids[compressed:]))

    def _text(self, reading: Reading) -> tuple[str, list[int]]:
        """The whole prompt as text, and where in it the message ends and where the prompt does."""
        fields = {"passage": reading.passage, "question": reading.question}
        message = filled(self._template, fields).strip()
        cue = self._cue or ""
        if self._chat is None:
            return f"{message}\n{cue}", [len(message), len(message) + 1 + len(cue)]
        try:
            text = self._chat.begin([{"role": "user", "content": message}], thinks=False)
        except WrongRecord as error:
            raise UserError(f"The question {reading.question[:60]!r} {error.message}.", error.hint) from error
        place = text.rfind(message)
        if place < 0:
            raise UserError(
                f"the chat template rewrites the message of the question {reading.question[:60]!r}.",
                hint="Use a model whose template writes messages as they are.",
            )
        return text + cue, [place + len(message), len(text) + len(cue)]


def _until(reading: Reading, end: int) -> Reading:
    return replace(reading, passage=reading.passage[:end])
