"""The forms of data that come with the project."""

from __future__ import annotations

from itertools import takewhile

from trainables.data.beside import accompanied
from trainables.data.fields import as_text, filled, optional_text, text_of
from trainables.data.formats.base import AUTO, JUDGEMENTS, KTO_TAG, Row, field, named, register, to_type
from trainables.data.formats.choices import refuse_choices
from trainables.data.messages import (
    conversation,
    conversation_of,
    holds_messages,
    messages_of,
)
from trainables.data.questions import ANSWERS, answers_of, passage_of
from trainables.data.units import Conversation, Document, Message, Pair, Unit, WrongRecord
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


_TALKS = ("conversations", "conversation")


@register(
    "preference",
    "chosen, rejected, and what they reply to (prompt, messages, ...): chosen is learned, rejected is not",
    lambda task: (("chosen",), ("rejected",)),
    {"prompt": "Who?", "chosen": "I.", "rejected": "You."},
)
def _preference(record: Row, task: TaskConfig) -> Unit:
    asked = named(record, ("messages", *_TALKS, task.prompt_field, "instruction", "question"))
    chosen = messages_of(record.get("chosen"), "chosen", "assistant")
    if chosen and chosen[0]["role"] != "assistant":  # the whole conversation
        rejected = messages_of(record.get("rejected"), "rejected", "assistant")
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False)))
        return conversation(record, chosen, first=max(1, min(same, len(chosen) - 1)))
    if asked in ("messages", *_TALKS):
        return _continued(record, [*conversation_of(record, asked).messages], chosen)
    if asked == task.prompt_field:
        return _prompted(record, asked, "chosen")
    if asked is None or len(chosen) != 1:
        raise WrongRecord("has a chosen reply, but no prompt", f"Say what to train on: {to_type(record)}.")
    make = _instructed if asked == "instruction" else _questioned
    return make(record, field(record, asked), str(chosen[0]["content"]))


@register(
    "messages",
    "messages: [{role, content}, ...], optionally with tools",
    lambda task: (("messages",),),
    {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]},
    judged=JUDGEMENTS,
)
def _messages(record: Row, task: TaskConfig) -> Unit:
    return conversation_of(record, "messages")


@register(
    "conversations",
    "conversations: [{from, value}, ...] (ShareGPT)",
    lambda task: (_TALKS,),
    {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}]},
    judged=JUDGEMENTS,
)
def _conversations(record: Row, task: TaskConfig) -> Unit:
    return conversation_of(record, named(record, _TALKS) or _TALKS[0])


_ALPACA = "### Instruction:\n{0}\n\n### Response:\n"
_ALPACA_INPUT = "### Instruction:\n{0}\n\n### Input:\n{1}\n\n### Response:\n"


@register(
    "alpaca",
    "instruction, input (may be blank), output",
    lambda task: (("instruction",), ("output", "response")),
    {"instruction": "Add.", "input": "1 2", "output": "3"},
    judged=JUDGEMENTS,
)
def _alpaca(record: Row, task: TaskConfig) -> Unit:
    return _instructed(record, field(record, "instruction"), field(record, "output", "response"))


def _instructed(record: Row, instruction: str, output: str) -> Unit:
    more = optional_text(record, "input", "context")
    plain = (_ALPACA_INPUT if more else _ALPACA).format(instruction, more)
    return _pair(record, f"{instruction}\n\n{more}" if more else instruction, output, plain)


@register(
    "completion",
    "prompt, completion: texts, or lists of messages",
    lambda task: ((task.prompt_field,), (task.completion_field,)),
    {"prompt": "Who?", "completion": "I."},
    judged=JUDGEMENTS,
)
def _completion(record: Row, task: TaskConfig) -> Unit:
    return _prompted(record, task.prompt_field, task.completion_field)


def _prompted(record: Row, asked: str, replied: str) -> Unit:
    prompt, completion = record.get(asked), record.get(replied)
    if holds_messages(prompt) or holds_messages(completion):
        before = messages_of(prompt, asked, "user")
        return _continued(record, before, messages_of(completion, replied, "assistant"))
    text = text_of(record, asked)
    return _pair(record, text, text_of(record, replied), text)


def _continued(record: Row, before: list[Message], reply: list[Message]) -> Conversation:
    """Messages that are context, and those that are learned."""
    repeated = reply[: len(before)] == before  # as where a reply is given as the whole conversation
    return conversation(record, reply if repeated else [*before, *reply], first=len(before))


def _pair(record: Row, prompt: str, completion: str, plain: str) -> Unit:
    return accompanied(record, Pair(prompt, completion, plain))


@register(
    "question",
    "question, answer or answers (the first is learned), and optionally context, passage or article",
    lambda task: (("question",), ANSWERS),
    {"question": "Who?", "answer": "I."},
    judged=(KTO_TAG,),
)
def _question(record: Row, task: TaskConfig) -> Unit:
    if task.format == AUTO:
        refuse_choices(record)
    return _questioned(record, field(record, "question"), _answer(record))


def _questioned(record: Row, question: str, answer: str) -> Unit:
    context = as_text(passage_of(record), "context") or optional_text(record, "context")
    prompt = f"{context}\n\n{question}" if context else question
    return _pair(record, prompt, answer, f"{prompt}\n")


def _answer(record: Row) -> str:
    name, answers = answers_of(record)
    if not answers:
        name = named(record, ANSWERS) or name
        if not isinstance(record.get(name), str | None):
            raise WrongRecord(f"has no answer in the field {name!r}", "Remove the record.")
        answers = [record.get(name)]  # a blank one may be learned
    return text_of({**record, name: answers[0]}, name)


@register("text", "text: whole documents", lambda task: ((task.text_field,),), {"text": "A page."})
def _text(record: Row, task: TaskConfig) -> Unit:
    return Document(text_of(record, task.text_field))
