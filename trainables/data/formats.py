"""The forms in which data are recognised, each by its fields. Light: no torch."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trainables.data.fields import fields_of, filled, optional_text, text_of
from trainables.data.messages import conversation_of, messages_of
from trainables.data.units import Conversation, Document, Pair, Unit, WrongRecord
from trainables.registry import Registry
from trainables.settings import TaskConfig

Row: TypeAlias = Mapping[str, Any]
Needs: TypeAlias = tuple[tuple[str, ...], ...]

AUTO = "auto"
_LOOKED_AT = 100
TEMPLATE = "template"


@dataclass(frozen=True)
class Format:
    """A form of records.

    Attributes:
        needs: The fields by which it is recognised, each under any of its names.
        make: Makes of a record what is trained on; raises `WrongRecord`.
    """

    name: str
    needs: Callable[[TaskConfig], Needs]
    make: Callable[[Row, TaskConfig], Unit]

    def fits(self, record: Row, task: TaskConfig) -> bool:
        """Whether a record has its fields."""
        needs = self.needs(task)
        return bool(needs) and all(_named(record, names) is not None for names in needs)


FORMATS: Registry[Format] = Registry("format")
"""In the order in which they are tried."""


def _format(
    name: str, line: str, needs: Callable[[TaskConfig], Needs]
) -> Callable[[Callable[[Row, TaskConfig], Unit]], Format]:
    return lambda make: FORMATS.register(name, line)(Format(name, needs, make))


def recognise(rows: Sequence[Row], task: TaskConfig) -> Format:
    """The form of records: what `task.format` says, or what the fields of the first records do.

    Args:
        rows: Records, at least one.
        task: Says the form, or fields by which it is known.

    Raises:
        WrongRecord: No form has such fields.
    """
    if task.format != AUTO:
        return FORMATS[task.format]
    if task.completion is not None:
        return FORMATS[TEMPLATE]
    defaults = TaskConfig.model_fields
    for name, given in (("completion", ("prompt_field", "completion_field")), ("text", ("text_field",))):
        if any(getattr(task, field) != defaults[field].default for field in given):
            return FORMATS[name]
    # A field of the first record may be empty, which is then said of that record.
    fitting = (
        FORMATS[name] for row in rows[:_LOOKED_AT] for name in FORMATS if FORMATS[name].fits(row, task)
    )
    form = next(fitting, None)
    if form is None:
        raise WrongRecord(
            (f"has fields that match no known form: {fields_of(rows[0])}"),
            f"Say what to train on: {_line(rows[0])}.",
        )
    return form


def also_fitting(record: Row, task: TaskConfig, chosen: Format) -> list[str]:
    """Other forms that a record has the fields of."""
    return [name for name in FORMATS if name != chosen.name and FORMATS[name].fits(record, task)]


def _line(record: Row) -> str:
    """Settings to add to the command line for a record of an unknown form."""
    texts = [name for name, value in record.items() if isinstance(value, str)]
    texts = [name for name in texts if name.isprintable() and not set("{}") & set(name)]
    # Of preferences the better reply is learned, and not what was rejected.
    texts = sorted((name for name in texts if "reject" not in name.lower()), key="chosen".__eq__)
    if not texts:
        return 'a record needs a field with text, such as {"text": "..."}'
    if len(texts) == 1:
        return f"task.text_field={shlex.quote(texts[0])}"
    *before, last = texts[:4]
    prompt = r"\n".join(f"{{{name}}}" for name in before)
    return " ".join(map(shlex.quote, (f"task.prompt={prompt}", f"task.completion={{{last}}}")))


def _named(record: Row, names: Sequence[str]) -> str | None:
    return next((name for name in names if record.get(name) is not None), None)


def _field(record: Row, *names: str) -> str:
    """The text of a field that goes by several names.

    Raises:
        WrongRecord: None of them has any.
    """
    return text_of(record, _named(record, names) or names[0])


@_format(
    "template",
    r"any fields, combined by 'task.prompt={a}\n{b}' and 'task.completion={c}'",
    lambda task: (),
)
def _template(record: Row, task: TaskConfig) -> Unit:
    prompt, completion = filled(task.prompt or "", record), filled(task.completion or "", record)
    return Pair(prompt, completion, prompt)


@_format(
    "messages",
    "messages: [{role, content}, ...], optionally with tools",
    lambda task: (("messages",),),
)
def _messages(record: Row, task: TaskConfig) -> Unit:
    return conversation_of(record, "messages")


@_format(
    "conversations",
    "conversations: [{from, value}, ...] (ShareGPT)",
    lambda task: (("conversations", "conversation"),),
)
def _conversations(record: Row, task: TaskConfig) -> Unit:
    return conversation_of(record, _named(record, ("conversations", "conversation")) or "conversations")


_ALPACA = "### Instruction:\n{0}\n\n### Response:\n"
_ALPACA_INPUT = "### Instruction:\n{0}\n\n### Input:\n{1}\n\n### Response:\n"


@_format(
    "alpaca",
    "instruction, input (may be blank), output",
    lambda task: (("instruction",), ("output", "response")),
)
def _alpaca(record: Row, task: TaskConfig) -> Unit:
    instruction, more = _field(record, "instruction"), optional_text(record, "input", "context")
    output = _field(record, "output", "response")
    plain = (_ALPACA_INPUT if more else _ALPACA).format(instruction, more)
    return Pair(f"{instruction}\n\n{more}" if more else instruction, output, plain)


@_format(
    "completion",
    "prompt, completion: texts, or lists of messages",
    lambda task: ((task.prompt_field,), (task.completion_field,)),
)
def _completion(record: Row, task: TaskConfig) -> Unit:
    prompt, completion = record.get(task.prompt_field), record.get(task.completion_field)
    if isinstance(prompt, list) or isinstance(completion, list | dict):
        before = messages_of(prompt, task.prompt_field, "user")
        reply = messages_of(completion, task.completion_field, "assistant")
        tools = conversation_of({**record, "messages": [*before, *reply]}, "messages").tools
        return Conversation((*before, *reply), tools, first=len(before))
    asked = text_of(record, task.prompt_field)
    return Pair(asked, text_of(record, task.completion_field), asked)


@_format(
    "question",
    "question, answer or answers (the first is learned), and optionally context",
    lambda task: (("question",), ("answer", "answers")),
)
def _question(record: Row, task: TaskConfig) -> Unit:
    question, context = _field(record, "question"), optional_text(record, "context")
    prompt = f"{context}\n\n{question}" if context else question
    return Pair(prompt, _answer(record), f"{prompt}\n")


def _answer(record: Row) -> str:
    name = _named(record, ("answer", "answers")) or "answer"
    value = record.get(name)
    if isinstance(value, dict) and isinstance(value.get("text"), list):  # SQuAD
        value = value["text"]
    if isinstance(value, list):
        if not value:
            raise WrongRecord(f"has no answer in the field {name!r}", "Remove the record.")
        value = value[0]
    return text_of({**record, name: value}, name)


@_format("text", "text: whole documents", lambda task: ((task.text_field,),))
def _text(record: Row, task: TaskConfig) -> Unit:
    return Document(text_of(record, task.text_field))
