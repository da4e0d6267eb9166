"""Messages in the spellings that data sets use, as chat templates want them. Light: no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainables.data.fields import as_text, fields_of, optional_text
from trainables.data.units import Conversation, Message, WrongRecord

ROLES = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "function_response": "tool",
}
"""Roles by what data sets call them."""

FLAGS = {
    "train": {"true": 1, "false": 0, "1": 1, "0": 0},
    "training": {"true": 1, "false": 0, "1": 1, "0": 0},
    "loss": {"true": 1, "false": 0},  # a number may be the loss of a model
}
"""Other names of a message's weight, with the values that stand for one; others say something else."""

CONTENTS = ("content", "value", "text", "tool_calls", "function_call")
"""Fields of which a message has one."""

_KEPT = ("name", "tool_call_id", "reasoning_content", "thinking")
_PYTHON = re.compile(r"\s*\[\s*\{\s*'(?:role|from|content|value)'\s*:")
_PYTHON_ROLE = re.compile(rf"'(?:role|from)'\s*:\s*'(?:{'|'.join(ROLES)})'", re.IGNORECASE)
_CALL = "function_call"
_EXAMPLE = 'A message looks like {"role": "user", "content": "..."}.'


def conversation_of(record: Mapping[str, Any], field: str) -> Conversation:
    """The conversation in a field, with the system message and the tools beside it.

    Raises:
        WrongRecord: It is none.
    """
    value = parsed(record.get(field))
    if isinstance(value, str):
        raise WrongRecord(
            f"has text that is not a JSON list of messages in the field {field!r}", _said(value)
        )
    messages = messages_of(value, field, "user")
    if not messages:
        raise WrongRecord(f"has no messages in the field {field!r}", "Remove the record.")
    return conversation(record, messages)


def conversation(record: Mapping[str, Any], messages: Sequence[Message], first: int = 0) -> Conversation:
    """Messages, with the system message and the tools that stand beside them.

    Args:
        record: What they stand in.
        messages: The messages, at least one.
        first: See `Conversation`, of these messages.

    Raises:
        WrongRecord: What stands beside them is of another form.
    """
    system = optional_text(record, "system", "system_prompt")
    if system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
        first += bool(first)
    tools = parsed(record.get("tools")) or None  # cells of tables may be empty
    if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        raise WrongRecord("has tools that are not a list of JSON objects", "Give them as JSON schemas.")
    return Conversation(tuple(messages), tuple(tools) if tools else None, first)


def messages_of(value: Any, field: str, role: str) -> list[Message]:
    """A list of messages; a text is one of `role`, unless it is such a list as JSON.

    Raises:
        WrongRecord: It is no such list.
    """
    if isinstance(value, str):
        if _python(value):
            raise WrongRecord(f"has messages that are not JSON in the field {field!r}", _said(value))
        written = parsed(value)
        if not are_messages(written):
            return [{"role": role, "content": as_text(value, field)}]
        value = written
    if isinstance(value, dict):
        value = [value]
    if value is None:
        raise WrongRecord(f"lacks the field {field!r}")
    if not isinstance(value, list):
        raise WrongRecord(f"has no list of messages in the field {field!r}", _EXAMPLE)
    return [_message(message, f"{field}.{place}") for place, message in enumerate(value)]


def holds_messages(value: Any) -> bool:
    """Whether a value is messages rather than text, also as JSON or as Python writes lists, as in cells."""
    if isinstance(value, str):
        return _python(value) or are_messages(parsed(value))
    return isinstance(value, list) or is_message(value)


def are_messages(value: Any) -> bool:
    """Whether a value is surely a list of messages, rather than data of another kind."""
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def is_message(value: Any) -> bool:
    """Whether a value is surely a message: an object with a known role and a content, or a call."""
    if not isinstance(value, dict):
        return False
    role = str(value.get("role") or value.get("from")).lower()
    return (role in ROLES or role == _CALL) and any(value.get(name) is not None for name in CONTENTS)


def _python(text: str) -> bool:
    """Whether a text is messages as Python writes them."""
    return _PYTHON.match(text) is not None and _PYTHON_ROLE.search(text) is not None


def _said(text: str) -> str:
    """What to do about text that should be a JSON list of messages."""
    if _PYTHON.match(text):
        return "It is Python's form of a list: write the column with json.dumps, or save JSON lines."
    return _EXAMPLE


def parsed(value: Any) -> Any:
    """The JSON value in a text, as in cells of tables; other values as they are."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _message(value: Any, field: str) -> Message:
    if not isinstance(value, dict):
        raise WrongRecord(f"has no message in {field}", _EXAMPLE)
    value = {key: inner for key, inner in value.items() if inner is not None}
    given = value.get("role", value.get("from"))
    if not isinstance(given, str):
        raise WrongRecord(f"has a message without a role in {field}", f"Its fields are {fields_of(value)}.")
    if given == _CALL:
        return _call(value, field)
    role = ROLES.get(given.lower())
    if role is None:
        raise WrongRecord(f"has the role {given[:40]!r} in {field}", f"Roles are {', '.join(ROLES)}.")
    calls = _calls(value.get("tool_calls"), field)
    if not calls and (called := parsed(value.get("function_call"))):  # OpenAI's form before tool_calls
        calls = _calls([called], field)
    content = value.get("content", value.get("value", value.get("text")))
    if content is None and not calls:
        raise WrongRecord(f"has a message without content in {field}", f"Its fields are {fields_of(value)}.")
    message: Message = {"role": role, "content": _content(content, field, role)}
    message |= {key: value[key] for key in _KEPT if key in value}
    message |= _weight(value, field)
    return message | ({"tool_calls": calls} if calls else {})


def _weight(value: Mapping[str, Any], field: str) -> Message:
    """The weight of a message, 0 or 1, by whatever name; nothing where it has none."""
    weight = value.get("weight", 1)
    if not isinstance(weight, int | float) or weight not in (0, 1):
        raise WrongRecord(
            f"has the weight {str(weight)[:40]!r} in {field}",
            "A message is learned or not: its weight is 0 or 1, or train is false or true.",
        )
    said = (values.get(str(value.get(name)).strip().lower()) for name, values in FLAGS.items())
    weights = [int(weight)] * ("weight" in value) + [flag for flag in said if flag is not None]
    return {"weight": min(weights)} if weights else {}


def _content(value: Any, field: str, role: str = "assistant") -> str:
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in value]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts) and role != "tool":
            raise WrongRecord(f"has content that is not text in {field}", "Only text can be trained on.")
        value = "".join(texts) if len(texts) == len(parts) else value
    if role == "tool" and isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else as_text(value, field)


def _calls(value: Any, field: str) -> list[dict[str, Any]]:
    """Tool calls whose arguments are objects, which is what templates write as JSON."""
    calls = parsed(value) or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise WrongRecord(f"has tool calls that are not a list of objects in {field}")
    written = []
    for call in calls:
        function = call.get("function", call)
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise WrongRecord(f"has a tool call without a function's name in {field}")
        called = {"name": function["name"], "arguments": parsed(function.get("arguments", {}))}
        written.append(
            {"type": "function", "function": called} | ({"id": call["id"]} if call.get("id") else {})
        )
    return written


def _call(value: Mapping[str, Any], field: str) -> Message:
    """ShareGPT's function_call: the call as JSON, or as text where it is none."""
    text = value.get("value", value.get("content"))
    called = parsed(text)
    if isinstance(called, dict) and "name" in called:
        return {"role": "assistant", "content": "", "tool_calls": _calls([called], field)}
    return {"role": "assistant", "content": _content(text, field)}
