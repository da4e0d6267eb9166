"""Messages in the spellings that data sets use, as chat templates want them. Light: no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
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

_KEPT = ("name", "tool_call_id", "reasoning_content", "thinking", "weight")


def conversation_of(record: Mapping[str, Any], field: str) -> Conversation:
    """The conversation in a field, with the system message and the tools beside it.

    Raises:
        WrongRecord: It is none.
    """
    messages = messages_of(record.get(field), field, "user")
    if not messages:
        raise WrongRecord(f"has no messages in the field {field!r}", "Remove the record.")
    system = optional_text(record, "system", "system_prompt")
    if system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
    tools = _parsed(record.get("tools")) or None  # cells of tables may be empty
    if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        raise WrongRecord("has tools that are not a list of JSON objects", "Give them as JSON schemas.")
    return Conversation(tuple(messages), tuple(tools) if tools else None)


def messages_of(value: Any, field: str, role: str) -> list[Message]:
    """A list of messages; a text is one of `role`.

    Raises:
        WrongRecord: It is no such list.
    """
    parsed = _parsed(value)
    if isinstance(parsed, list) and all(isinstance(message, dict) for message in parsed):
        value = parsed
    if isinstance(value, str):
        return [{"role": role, "content": as_text(value, field)}]
    if isinstance(value, dict):
        value = [value]
    if value is None:
        raise WrongRecord(f"lacks the field {field!r}")
    if not isinstance(value, list):
        raise WrongRecord(f"has no list of messages in the field {field!r}", _EXAMPLE)
    return [_message(message, f"{field}.{place}") for place, message in enumerate(value)]


_EXAMPLE = 'A message looks like {"role": "user", "content": "..."}.'


def _parsed(value: Any) -> Any:
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
    value = {key: inner for key, inner in value.items() if inner is not None}  # as tables fill up objects
    given = value.get("role", value.get("from"))
    if not isinstance(given, str):
        raise WrongRecord(f"has a message without a role in {field}", f"Its fields are {fields_of(value)}.")
    if given == "function_call":
        return _call(value, field)
    role = ROLES.get(given.lower())
    if role is None:
        raise WrongRecord(f"has the role {given[:40]!r} in {field}", f"Roles are {', '.join(ROLES)}.")
    calls = _calls(value.get("tool_calls"), field)
    content = value.get("content", value.get("value", value.get("text")))
    if content is None and not calls:
        raise WrongRecord(f"has a message without content in {field}", f"Its fields are {fields_of(value)}.")
    message: Message = {"role": role, "content": _content(content, field)}
    message |= {key: value[key] for key in _KEPT if key in value}
    return message | ({"tool_calls": calls} if calls else {})


def _content(value: Any, field: str) -> str:
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in value]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise WrongRecord(f"has content that is not text in {field}", "Only text can be trained on.")
        value = "".join(texts)
    return "" if value is None else as_text(value, field)


def _calls(value: Any, field: str) -> list[dict[str, Any]]:
    """Tool calls whose arguments are objects, which is what templates write as JSON."""
    calls = _parsed(value) or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise WrongRecord(f"has tool calls that are not a list of objects in {field}")
    written = []
    for call in calls:
        function = call.get("function", call)
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise WrongRecord(f"has a tool call without a function's name in {field}")
        called = {"name": function["name"], "arguments": _parsed(function.get("arguments", {}))}
        written.append(
            {"type": "function", "function": called} | ({"id": call["id"]} if call.get("id") else {})
        )
    return written


def _call(value: Mapping[str, Any], field: str) -> Message:
    """ShareGPT's function_call: the call as JSON, or as text where it is none."""
    text = value.get("value", value.get("content"))
    called = _parsed(text)
    if isinstance(called, dict) and "name" in called:
        return {"role": "assistant", "content": "", "tool_calls": _calls([called], field)}
    return {"role": "assistant", "content": _content(text, field)}
