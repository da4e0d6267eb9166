"""Writes messages with the model's chat template, and locates what is learned in its text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from trainables.data.encode import plain_ids, special_ids
from trainables.data.units import THINK_OPEN, Conversation, Message, TaughtPair, WrongRecord
from trainables.errors import first_line

_DAY = datetime(2024, 7, 26)  # that of the templates of Llama 3, where they are given none
_NOW = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
_PROBE = "Yes"


@dataclass(frozen=True)
class Rendered:
    """Text as the model sees it.

    Attributes:
        spans: The parts that are to be learned, as (start, end) in characters; in order, apart, at least one.
        ended: Whether the last part's end is marked; else it takes the end-of-sequence token.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    ended: bool


class Chat:
    """The chat template of a tokenizer.

    Args:
        tokenizer: One that has a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._marks = special_ids(tokenizer)
        self.end = self._end_of_turn()
        """The token that ends the assistant's turns; None where the template writes none."""
        self._stop = None if self.end is None else self._marks[self.end]

    def write(
        self, messages: Sequence[Message], tools: Sequence[Any] | None = None, *, prompt: bool = False
    ) -> str:
        """Messages as text.

        Some templates write the day; theirs is always the same, so that data do not change overnight.

        Args:
            messages: At least one, unless the template can do with none.
            tools: What may be called.
            prompt: Whether a reply is to follow.

        Raises:
            WrongRecord: The template refuses them.
        """
        given = list(tools) if tools else None
        try:
            template = str(self._tokenizer.get_chat_template(None, given))
            return str(
                self._tokenizer.apply_chat_template(
                    list(messages),
                    tools=given,
                    chat_template=on_the_day(template),
                    add_generation_prompt=prompt,
                    tokenize=False,
                )
            )
        except MemoryError:
            raise
        except Exception as error:  # a template is a program, and may fail as any does
            raise WrongRecord(
                f"is refused by the model's chat template: {first_line(error)[:200]}", _HINT
            ) from error

    def replies(self, conversation: Conversation, *, last: bool) -> list[Rendered]:
        """The assistant turns that are learned, in as few texts as are exact.

        All turns are learned in one text where it reads, up to each turn's end, as it does when that turn is
        the last. Templates that rewrite earlier turns (Qwen3 takes their thoughts out) get a text for each
        turn, which is what the model would see when it writes that turn.

        Args:
            conversation: The messages.
            last: Whether only the last turn is learned.

        Returns:
            No text where there is nothing to learn.

        Raises:
            WrongRecord: The template refuses the messages, or a turn cannot be found in what it writes.
        """
        turns = conversation.turns[-1:] if last else conversation.turns
        if not turns:
            return []
        self._refuse_dropped(conversation, turns[-1])
        alone = [self._turn(conversation, place) for place in turns]
        whole = alone[-1].text
        if all(whole.startswith(rendered.text[: rendered.spans[0][1]]) for rendered in alone):
            final = alone[-1]
            spans = tuple(rendered.spans[0] for rendered in alone)
            return [Rendered(whole[: spans[-1][1]], spans, final.ended)]
        return [
            Rendered(rendered.text[: rendered.spans[0][1]], rendered.spans, rendered.ended)
            for rendered in alone
        ]

    def taught(self, pair: TaughtPair) -> Rendered:
        """A reply with its think section in the template's own form, or without one.

        Templates of models that think write an empty section before a reply without one; it is context.

        Raises:
            WrongRecord: As `replies`.
        """
        if not pair.thinking:
            (rendered,) = self.replies(pair.conversation, last=True)
            ((start, end),) = rendered.spans
            begin = rendered.text.find(pair.completion.strip(), start)
            begin = begin if rendered.text[start:begin].strip() else start
            return replace(rendered, spans=((begin, end),))
        asked, reply = pair.conversation.messages
        section = {"content": pair.section + pair.completion}
        for fields in ({"reasoning_content": pair.thinking}, section):
            (rendered,) = self.replies(Conversation((asked, {**reply, **fields})), last=True)
            if pair.thinking.strip() in rendered.text[rendered.spans[0][0] :]:
                return rendered
        # Some templates take the thought out of every reply: the model's own reply has it all the same.
        begun = self.write([asked], prompt=True)
        open_already = begun.rstrip().endswith(THINK_OPEN)
        body = section["content"].removeprefix(f"{THINK_OPEN}\n" if open_already else "")
        text = begun + body + (self._stop or "")
        return Rendered(text, ((len(begun), len(text)),), self._stop is not None)

    def _turn(self, conversation: Conversation, place: int) -> Rendered:
        """The conversation up to an assistant turn, which is learned."""
        messages, tools = conversation.messages, conversation.tools
        text = self.write(messages[: place + 1], tools)
        begun = self.write(messages[:place], tools, prompt=True)
        start = common_prefix(text, begun)
        before = str(messages[place - 1]["content"]).strip() if place else ""
        # Before a reply some templates write less than where one is asked for, such as no open thought.
        if start < len(begun) and start < begun.rfind(before) + len(before):
            raise WrongRecord(
                "cannot be trained on with the model's chat template, whose text before a reply differs "
                "from its generation prompt",
                _HINT,
            )
        message = messages[place]
        self._refuse_lost_calls(message, text[start:])
        after = _end_of_content(text, start, str(message["content"]))
        self._refuse_lost_reply(message, text[start:], located=after > start)
        end = text.find(self._stop, after) if self._stop else -1
        if end >= 0:
            assert self._stop is not None
            return Rendered(text, ((start, end + len(self._stop)),), True)
        return self._unstopped(text, start, after)

    def _unstopped(self, text: str, start: int, after: int) -> Rendered:
        """A turn that ends differently from the others, like some that call tools, or without any mark."""
        marks = [mark for mark in self._marks.values() if mark and mark in text[after:]]
        if marks:
            last = max(text.rfind(mark) + len(mark) for mark in marks)
            return Rendered(text, ((start, last),), True)
        return Rendered(text, ((start, max(after, start)),), False)

    def _refuse_dropped(self, conversation: Conversation, until: int) -> None:
        """Refuses messages and tools that the template leaves out silently."""
        messages = conversation.messages[: until + 1]
        if not conversation.tools and all(message["role"] in _WRITTEN for message in messages):
            return
        text = self.write(messages, conversation.tools)
        for message in messages:
            content = message["content"].strip()
            if (
                message["role"] not in _WRITTEN
                and content not in text
                and json.dumps(content)[1:-1] not in text
            ):
                role = message["role"]
                raise WrongRecord(
                    f"has a message of the role {role}, which the model's chat template omits",
                    _TOOLS if role == "tool" else _HINT,
                )
        if conversation.tools and text == self.write(messages):
            raise WrongRecord("has tools, which the model's chat template omits", _TOOLS)

    def _refuse_lost_calls(self, message: Message, written: str) -> None:
        for call in message.get("tool_calls", ()):
            if call["function"]["name"] not in written:
                raise WrongRecord("calls tools, which the model's chat template omits", _TOOLS)

    def _refuse_lost_reply(self, message: Message, written: str, *, located: bool) -> None:
        """Refuses a reply of which the template writes nothing but marks."""
        if located or not str(message["content"]).rpartition("</think>")[2].strip():
            return
        for mark in filter(None, self._marks.values()):
            written = written.replace(mark, "")
        if not written.strip():
            raise WrongRecord("has a reply, which the model's chat template omits", _HINT)

    def _end_of_turn(self) -> int | None:
        messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": _PROBE}]
        try:
            text = self.write(messages)
        except WrongRecord:
            return None
        tail = text[text.rfind(_PROBE) + len(_PROBE) :]
        return next((token for token in plain_ids(self._tokenizer, tail) if token in self._marks), None)


_WRITTEN = ("user", "assistant")
_TOOLS = "Train a model whose template supports tools, or remove the record."
_HINT = (
    "Some templates do not support system messages, or require alternating user and assistant turns: put "
    "the system message into the first user message, or remove the record."
)


def _end_of_content(text: str, start: int, content: str) -> int:
    """Where a message's content ends in the template's text, with or without its thoughts."""
    for wanted in (content.strip(), content.rpartition("</think>")[2].strip()):
        if wanted and (begin := text.find(wanted, start)) >= 0:
            return begin + len(wanted)
    return start


def on_the_day(template: str) -> str:
    """A template that writes the same day whenever it is rendered."""
    return _NOW.sub(lambda call: repr(_DAY.strftime(call[2])), template)


def common_prefix(text: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    if text.startswith(other):
        return len(other)
    differing = (place for place, (a, b) in enumerate(zip(text, other, strict=False)) if a != b)
    return next(differing, min(len(text), len(other)))


def chat_of(tokenizer: Any) -> Chat | None:
    """The chat template of a tokenizer, if it has one."""
    return None if tokenizer.chat_template is None else Chat(tokenizer)
