"""Questions and replies as tokens, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainables.data.chat import Rendered, chat_of
from trainables.data.encode import OwnSpecials, encode_all, plain_ids
from trainables.data.units import Pair, WrongRecord
from trainables.errors import UserError


class Asking:
    """How a model is asked: through its chat template, or with the message as it is.

    Args:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._chat = chat_of(tokenizer)
        self._before = list(OwnSpecials.of(tokenizer).before)

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
            return [*self._before, *plain_ids(self._tokenizer, message)]
        try:
            text = self._chat.write([{"role": "user", "content": message}], prompt=True)
        except WrongRecord as error:
            raise UserError(f"The question {message[:60]!r} {error.message}.", error.hint) from error
        return plain_ids(self._tokenizer, text)

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
            whole = message + text
            return Rendered(whole, ((len(message), len(whole)),), False), len(message)
        try:
            (rendered,) = self._chat.replies(Pair(message, text, message).conversation, last=True)
        except WrongRecord as error:
            raise UserError(f"The reply {text[:60]!r} {error.message}.", error.hint) from error
        start, _ = rendered.spans[0]
        begin = rendered.text.find(text.strip(), start)
        return rendered, begin if rendered.text[start:begin].strip() else start
