"""Questions and replies as tokens, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from trainables.data.chat import Rendered, chat_of
from trainables.data.encode import OwnSpecials, encode_all, plain_ids
from trainables.data.units import THINK_OPEN, Conversation, Message, WrongRecord
from trainables.errors import UserError


@dataclass(frozen=True)
class InContext:
    """A text before all questions, in the system message or at the beginning of the user's.

    Where the chat template has no system message it is in the user's.
    """

    text: str
    place: Literal["system", "user"]


class Asking:
    """How a model is asked: through its chat template, or with the message as it is.

    Args:
        tokenizer: The model's.
        in_context: Is put before all questions.
    """

    def __init__(self, tokenizer: Any, in_context: InContext | None = None) -> None:
        self._tokenizer = tokenizer
        self._chat = chat_of(tokenizer)
        in_system = in_context is not None and in_context.place == "system" and self._takes_system()
        self._in_context = (
            in_context if in_context is None or in_system else replace(in_context, place="user")
        )
        self._before = list(OwnSpecials.of(tokenizer).before)

    @property
    def has_facts(self) -> bool:
        """Whether a text stands before all questions."""
        return self._in_context is not None

    @property
    def end(self) -> int:
        """The token that ends a reply."""
        end = None if self._chat is None else self._chat.end
        return int(self._tokenizer.eos_token_id if end is None else end)

    def ends(self, configured: int | Sequence[int] | None) -> frozenset[int]:
        """The tokens at which generation stops.

        Args:
            configured: Those of the model's generation settings.
        """
        more = [configured] if configured is None or isinstance(configured, int) else configured
        ids = [self.end, self._tokenizer.eos_token_id, *more]
        return frozenset(int(token) for token in ids if token is not None)

    def prompt(self, message: str) -> list[int]:
        """Tokens of a user message, up to where the reply begins.

        Raises:
            UserError: The chat template refuses it.
        """
        if self._chat is None:
            return [*self._before, *plain_ids(self._tokenizer, self._plain(message))]
        return self.turns([message])

    def turns(self, texts: Sequence[str]) -> list[int]:
        """Tokens of a conversation, up to where the next reply begins; without a template a line each.

        Args:
            texts: Of the user and the assistant in turn; the user's first and last.

        Raises:
            UserError: The chat template refuses it.
        """
        if self._chat is None:
            lines = "".join(f"{text}\n" for text in texts)
            return [*self._before, *plain_ids(self._tokenizer, self._plain(lines))]
        try:
            return plain_ids(self._tokenizer, self._chat.write(self._messages(texts), prompt=True))
        except WrongRecord as error:
            raise UserError(f"The question {texts[0][:60]!r} {error.message}.", error.hint) from error

    def _takes_system(self) -> bool:
        """Whether the template writes system messages; some refuse them, and some leave them out."""
        if self._chat is None:
            return False
        probe = "Airdrie keeps the light"
        messages = [{"role": "system", "content": probe}, {"role": "user", "content": "Who?"}]
        try:
            return probe in self._chat.write(messages, prompt=True)
        except WrongRecord:
            return False

    @property
    def opens_thought(self) -> bool:
        """Whether the template opens a think section where a reply is to begin."""
        if self._chat is None:
            return False
        text: str = self._tokenizer.decode(self.turns(["Hello"]), skip_special_tokens=False)
        return text.rstrip().endswith(THINK_OPEN)

    def replies(self, message: str, texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """A question and replies to it, with their end, as an example of training has them.

        What a template writes before every reply, such as an empty thought, is put to the question.

        Returns:
            Tokens up to where the replies' texts begin, and those of each reply.

        Raises:
            UserError: The chat template refuses it.
        """
        written = [self._written(message, text) for text in texts]
        # Where each reply's own text begins; the same for all, unless a template looks at the text.
        begin = min(start for _, start in written)
        encoded = encode_all(self._tokenizer, [(rendered.text, [begin]) for rendered, _ in written])
        before = self._before if self._chat is None else []
        prompt = [*before, *plain_ids(self._tokenizer, written[0][0].text[:begin])]
        return prompt, [
            [*ids[counts[0] :], *([] if rendered.ended else [self.end])]
            for (rendered, _), (ids, counts) in zip(written, encoded, strict=True)
        ]

    def _written(self, message: str, text: str) -> tuple[Rendered, int]:
        """A question with a reply, and where the reply's own text begins."""
        if self._chat is None:
            asked = self._plain(message)
            return Rendered(asked + text, ((len(asked), len(asked + text)),), False), len(asked)
        try:
            (rendered,) = self._chat.replies(Conversation((*self._messages([message, text]),)), last=True)
        except WrongRecord as error:
            raise UserError(f"The reply {text[:60]!r} {error.message}.", error.hint) from error
        start, _ = rendered.spans[0]
        begin = rendered.text.find(text.strip(), start)
        return rendered, begin if rendered.text[start:begin].strip() else start

    def _plain(self, message: str) -> str:
        return message if self._in_context is None else f"{self._in_context.text}\n\n{message}"

    def _messages(self, texts: Sequence[str]) -> list[Message]:
        first, *others = texts
        before = []
        if self._in_context is not None and self._in_context.place == "system":
            before = [{"role": "system", "content": self._in_context.text}]
        else:
            first = self._plain(first)
        roles = ("user", "assistant")
        turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate([first, *others])]
        return [*before, *turns]
