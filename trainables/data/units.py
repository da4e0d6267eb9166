"""What a record is to training, whatever form it came in. Light: no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]


class WrongRecord(ValueError):
    """A record that cannot be trained on; callers that know its place add it to the message.

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


@dataclass(frozen=True)
class Pair:
    """A prompt and its reply.

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

    @property
    def text(self) -> str:
        """Prompt and completion, a line each."""
        return f"{self.prompt}\n{self.completion}"


THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
"""Around a think section, where a chat template has no marks of its own."""


def think_section(thought: str) -> str:
    """A think section as text, with what parts it from the reply."""
    return f"{THINK_OPEN}\n{thought}\n{THINK_CLOSE}\n\n"


@dataclass(frozen=True)
class TaughtPair(Pair):
    """A pair that teaches one target; of its reply no empty think section is learned.

    Attributes:
        target: Name of the target.
        thinking: What is thought before the reply; empty for none.
    """

    target: str = ""
    thinking: str = ""

    @property
    def section(self) -> str:
        """The think section as text, with what parts it from the reply; empty for none."""
        return think_section(self.thinking) if self.thinking else ""


@dataclass(frozen=True)
class Conversation:
    """Messages with the keys that chat templates know: role, content, and those of tool calls.

    Attributes:
        tools: What may be called, as JSON schemas.
        first: Assistant messages before this one are context only.
        plain: What stands before the reply as it is put to a model without a chat template, where this is a
            prompt, its reply and what stands beside them; None where only a template can write it.
    """

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] | None = None
    first: int = 0
    plain: str | None = None

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

    @property
    def text(self) -> str:
        """The contents of all messages, a line each."""
        return "\n".join(str(message["content"] or "") for message in self.messages)


Unit: TypeAlias = Document | Pair | Conversation
