"""What stands beside a prompt and its reply: a system text, a history, tools. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainables.data.fields import as_text, peeked
from trainables.data.messages import are_messages, messages_of, parsed
from trainables.data.units import Conversation, Message, Pair, WrongRecord

if TYPE_CHECKING:
    from trainables.data.chat import Chat

_SYSTEM = ("system", "system_prompt")
_ARGUMENTS = ("parameters", "input_schema", "inputSchema")
_PROBE = "Airdrie keeps the light"


def accompanied(record: Mapping[str, Any], pair: Pair) -> Pair | Conversation:
    """A prompt and its reply, with what stands beside them and comes before.

    The names of these fields are ordinary words: what is not of the expected form is not used.

    Raises:
        WrongRecord: A text holds half of a character, or a message something other than text.
    """
    history = _history(record)
    system = "" if history and history[0]["role"] == "system" else _system(record)
    tools = _tools(record)
    if not (system or history or tools):
        return pair
    before = [*([{"role": "system", "content": system}] if system else []), *history]
    plain = "".join(map(_written, before)) + pair.plain
    messages = (*before, *pair.conversation.messages)
    return Conversation(messages, tools, 0 if history else len(messages) - 1, plain)


class Fitting:
    """Writes what stands beside a prompt in the way that a chat template can put it.

    Args:
        chat: The chat template; None where the model has none.
    """

    def __init__(self, chat: Chat | None) -> None:
        self._chat = chat

    def __call__(self, conversation: Conversation) -> Conversation | Pair:
        """A prompt and its reply as the model takes them, and other messages as they are.

        A system text that the template has no place for begins the first message of the user, and tools that
        it does not write are left out. Without a template all that comes before the reply is a text.
        """
        if conversation.plain is None:
            return conversation
        if self._chat is None:
            return Pair(conversation.plain, str(conversation.messages[-1]["content"]), conversation.plain)
        if conversation.messages[0]["role"] == "system" and not self.takes_system:
            conversation = _within_user(conversation)
        if conversation.tools and not _takes_tools(self._chat, conversation):
            return replace(conversation, tools=None)
        return conversation

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template writes system messages; some refuse them, and some leave them out."""
        if self._chat is None:
            return False
        messages = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "Who?"}]
        try:
            return _PROBE in self._chat.write(messages, prompt=True)
        except WrongRecord:
            return False


def _takes_tools(chat: Chat, conversation: Conversation) -> bool:
    messages = conversation.messages
    try:
        return chat.write(messages, conversation.tools) != chat.write(messages)
    except WrongRecord:
        return False


def _within_user(conversation: Conversation) -> Conversation:
    """The same with the system message at the beginning of the first message of the user."""
    system, *messages = conversation.messages
    place = next(place for place, message in enumerate(messages) if message["role"] == "user")
    text = with_text(system["content"], messages[place]["content"])
    messages[place] = {**messages[place], "content": text}
    return replace(conversation, messages=tuple(messages), first=max(0, conversation.first - 1))


def with_text(text: str, message: str) -> str:
    """A message after a text that comes before all that is asked."""
    return f"{text}\n\n{message}"


def line_of(text: str) -> str:
    """A text that the next begins after, as in training; one that ends with a blank has its own break."""
    return text if text[-1:].isspace() else f"{text}\n"


def _written(message: Message) -> str:
    """A message before a prompt, for a model without a chat template; a call of a tool has no text."""
    text = str(message["content"])
    if message["role"] == "system":
        return with_text(text, "")
    return line_of(text) if text else ""


def _system(record: Mapping[str, Any]) -> str:
    for name in _SYSTEM:
        text = peeked(record, name)
        if isinstance(text, str) and text.strip():
            return as_text(record[name], name)
    return ""


def _history(record: Mapping[str, Any]) -> Sequence[Message]:
    """Pairs of what user and assistant wrote before, as LLaMA-Factory has them, or messages."""
    turns = parsed(peeked(record, "history"))
    if are_messages(turns):
        return messages_of(record["history"], "history", "user")
    if not isinstance(turns, list) or not turns or not all(map(_is_turn, turns)):
        return []
    roles = ("user", "assistant")
    return [
        {"role": role, "content": as_text(text, "history")}
        for turn in parsed(record["history"])
        for role, text in zip(roles, turn, strict=True)
    ]


def _is_turn(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def _tools(record: Mapping[str, Any]) -> tuple[dict[str, Any], ...] | None:
    tools = parsed(peeked(record, "tools"))
    return (
        tuple(parsed(record["tools"]))
        if isinstance(tools, list) and tools and all(map(_is_tool, tools))
        else None
    )


def _is_tool(value: Any) -> bool:
    """Whether a value is the JSON schema of a function, bare or as OpenAI writes it."""
    if not isinstance(value, dict):
        return False
    function = value.get("function")
    if isinstance(function, dict):
        return isinstance(function.get("name"), str)
    return isinstance(value.get("name"), str) and any(name in value for name in _ARGUMENTS)
