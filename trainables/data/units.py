"""What a record is to training, whatever form it came in. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]


class WrongRecord(ValueError):
    """A record that cannot be trained on; whoever knows its place says where it is.

    Args:
        message: What is wrong, to be read after the record's place: "lacks the field 'text'".
        hint: What to do.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Document:
    """Text that is learned from its first to its last token."""

    text: str

    def parts(self) -> Iterator[tuple[str, ...]]:
        """The text."""
        yield (self.text,)


@dataclass(frozen=True)
class Pair:
    """A prompt and what is to be replied.

    Attributes:
        plain: The prompt as it is put to a model without a chat template.
    """

    prompt: str
    completion: str
    plain: str

    @property
    def conversation(self) -> Conversation:
        """The same as messages."""
        return Conversation(
            ({"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.completion})
        )

    def parts(self) -> Iterator[tuple[str, ...]]:
        """Prompt and completion."""
        yield self.prompt, self.completion


@dataclass(frozen=True)
class Conversation:
    """Messages with the keys that chat templates know: role, content, and those of tool calls.

    Attributes:
        tools: What may be called, as JSON schemas.
        first: Assistant messages before this one are context only.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] | None = None
    first: int = 0

    @property
    def turns(self) -> list[int]:
        """The assistant messages that may be learned, by their place.

        One that opens the conversation replies to nothing, and one of weight 0 is context only.
        """
        return [
            place
            for place, message in enumerate(self.messages)
            if place >= max(1, self.first) and message["role"] == "assistant" and message.get("weight") != 0
        ]

    def parts(self) -> Iterator[tuple[str, ...]]:
        """Each assistant message after the one before it, and after all that go before it."""
        for place in self.turns:
            before = [str(message["content"]) for message in self.messages[:place]]
            reply = str(self.messages[place]["content"])
            yield "\n".join(before[-1:]), reply
            if len(before) > 1:
                yield "\n".join(before), reply


Unit: TypeAlias = Document | Pair | Conversation
