"""The forms of data that come with the project."""

from __future__ import annotations

from trainables.data.fields import filled, optional_text, text_of
from trainables.data.formats.base import Row, field, named, register
from trainables.data.messages import conversation_of, messages_of
from trainables.data.units import Conversation, Document, Pair, Unit, WrongRecord
from trainables.settings import TaskConfig


@register(
    "template",
    r"any fields, combined by 'task.prompt={a}\n{b}' and 'task.completion={c}'",
    lambda task: (),
    {"story": "A.", "moral": "B."},
)
def _template(record: Row, task: TaskConfig) -> Unit:
    prompt, completion = filled(task.prompt or "", record), filled(task.completion or "", record)
    return Pair(prompt, completion, prompt)


@register(
    "messages",
    "messages: [{role, content}, ...], optionally with tools",
    lambda task: (("messages",),),
    {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]},
)
def _messages(record: Row, task: TaskConfig) -> Unit:
    return conversation_of(record, "messages")


@register(
    "conversations",
    "conversations: [{from, value}, ...] (ShareGPT)",
    lambda task: (("conversations", "conversation"),),
    {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}]},
)
def _conversations(record: Row, task: TaskConfig) -> Unit:
    return conversation_of(record, named(record, ("conversations", "conversation")) or "conversations")


_ALPACA = "### Instruction:\n{0}\n\n### Response:\n"
_ALPACA_INPUT = "### Instruction:\n{0}\n\n### Input:\n{1}\n\n### Response:\n"


@register(
    "alpaca",
    "instruction, input (may be blank), output",
    lambda task: (("instruction",), ("output", "response")),
    {"instruction": "Add.", "input": "1 2", "output": "3"},
)
def _alpaca(record: Row, task: TaskConfig) -> Unit:
    instruction, more = field(record, "instruction"), optional_text(record, "input", "context")
    output = field(record, "output", "response")
    plain = (_ALPACA_INPUT if more else _ALPACA).format(instruction, more)
    return Pair(f"{instruction}\n\n{more}" if more else instruction, output, plain)


@register(
    "completion",
    "prompt, completion: texts, or lists of messages",
    lambda task: ((task.prompt_field,), (task.completion_field,)),
    {"prompt": "Who?", "completion": "I."},
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


@register(
    "question",
    "question, answer or answers (the first is learned), and optionally context",
    lambda task: (("question",), ("answer", "answers")),
    {"question": "Who?", "answer": "I."},
)
def _question(record: Row, task: TaskConfig) -> Unit:
    question, context = field(record, "question"), optional_text(record, "context")
    prompt = f"{context}\n\n{question}" if context else question
    return Pair(prompt, _answer(record), f"{prompt}\n")


def _answer(record: Row) -> str:
    name = named(record, ("answer", "answers")) or "answer"
    value = record.get(name)
    if isinstance(value, dict) and isinstance(value.get("text"), list):  # SQuAD
        value = value["text"]
    if isinstance(value, list):
        if not value:
            raise WrongRecord(f"has no answer in the field {name!r}", "Remove the record.")
        value = value[0]
    return text_of({**record, name: value}, name)


@register("text", "text: whole documents", lambda task: ((task.text_field,),), {"text": "A page."})
def _text(record: Row, task: TaskConfig) -> Unit:
    return Document(text_of(record, task.text_field))
