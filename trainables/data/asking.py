"""Questions and replies as tokens, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from trainables.data.beside import Fitting, line_of, with_text
from trainables.data.chat import Rendered, chat_of, opens_thought
from trainables.data.encode import OwnSpecials, begun_with, encode_all, plain_ids
from trainables.data.units import Conversation, Message, WrongRecord
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
        thinks: Whether replies are to begin with a thought. Else a prompt ends where a reply's own text
            begins: after the empty thought, or what else a template writes before every reply.
    """

    def __init__(self, tokenizer: Any, in_context: InContext | None = None, *, thinks: bool = False) -> None:
        self._tokenizer = tokenizer
        self._thinks = thinks
        self._chat = chat_of(tokenizer)
        in_system = (
            in_context is not None and in_context.place == "system" and Fitting(self._chat).takes_system
        )
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
        return self.turns([message])

    def turns(self, texts: Sequence[str]) -> list[int]:
        """Tokens of a conversation, up to where the next reply begins; without a template a line each.

        Args:
            texts: Of the user and the assistant in turn; the user's first and last.

        Raises:
            UserError: The chat template refuses it.
        """
        return self._ids(self._begun(texts, thinks=self._thinks))

    def _begun(self, texts: Sequence[str], *, thinks: bool) -> str:
        if self._chat is None:
            return self._plain("".join(map(line_of, texts)))
        try:
            return self._chat.begin(self._messages(texts), thinks=thinks)
        except WrongRecord as error:
            raise UserError(f"The question {texts[0][:60]!r} {error.message}.", error.hint) from error

    def _ids(self, prompt: str) -> list[int]:
        ids = plain_ids(self._tokenizer, prompt)
        return begun_with(self._before, ids) if self._chat is None else ids

    @property
    def opens_thought(self) -> bool:
        """Whether a prompt ends with the beginning of a thought."""
        return self._chat is not None and opens_thought(self._begun(["Hello"], thinks=self._thinks))

    def replies(self, message: str, texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """A question and replies to it, with their end, as an example of training has them.

        What a template writes before every reply, such as an empty thought, is put to the question.

        Returns:
            Tokens up to where the replies' texts begin, and those of each reply.

        Raises:
            UserError: The chat template refuses it.
        """
        begun = self._begun([message], thinks=False)
        if self._chat is None and all(text[:1].isspace() for text in texts):
            begun = self._plain(message)
        written = [self._written(message, begun, text) for text in texts]
        if not all(rendered.text.startswith(begun) for rendered in written):  # the template looks at the text
            begun = written[0].text[: min(rendered.spans[0][0] for rendered in written)]
        encoded = encode_all(self._tokenizer, [(rendered.text, [len(begun)]) for rendered in written])
        return self._ids(begun), [
            [*ids[counts[0] :], *([] if rendered.ended else [self.end])]
            for rendered, (ids, counts) in zip(written, encoded, strict=True)
        ]

    def _written(self, message: str, begun: str, text: str) -> Rendered:
        """A question with a reply."""
        if self._chat is None:
            return Rendered(begun + text, ((len(begun), len(begun + text)),), False)
        try:
            (rendered,) = self._chat.replies(Conversation((*self._messages([message, text]),)), last=True)
        except WrongRecord as error:
            raise UserError(f"The reply {text[:60]!r} {error.message}.", error.hint) from error
        return rendered

    def _plain(self, message: str) -> str:
        return message if self._in_context is None else with_text(self._in_context.text, message)

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
