"""Writes messages with the model's chat template, and locates what is learned in its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from trainables.data.encode import plain_ids, special_ids
from trainables.data.units import (
    THINK_CLOSE,
    THINK_OPEN,
    Conversation,
    Message,
    TaughtPair,
    WrongRecord,
    think_section,
)
from trainables.errors import first_line

_DAY = datetime(2024, 7, 26)  # that of the templates of Llama 3, where they are given none
_NOW = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
_PROBES = "Yes", "No"
_OTHER = "0"
THOUGHT_FIELDS = "reasoning_content", "thinking"
"""Fields of messages in which templates take a thought."""


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
        self._tail = self._after_turn()
        tokens = plain_ids(tokenizer, self._tail)
        self.end = next((token for token in tokens if token in self._marks), None)
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
        asked, reply = pair.conversation.messages
        if pair.thinking:
            reply = {**reply, "reasoning_content": pair.thinking}
        (rendered,) = self.replies(Conversation((asked, reply)), last=True)
        begun = self.begin([asked], thinks=False)
        if pair.thinking or not rendered.text.startswith(begun):
            return rendered
        ((start, end),) = rendered.spans
        return replace(rendered, spans=((max(start, min(len(begun), end)), end),))

    def begin(self, messages: Sequence[Message], tools: Sequence[Any] | None = None, *, thinks: bool) -> str:
        """Messages as text, up to where the model goes on with its reply.

        Args:
            messages: At least one.
            tools: What may be called.
            thinks: Whether the reply begins with a thought, which is opened again where the template closes
                it. Else what the template writes before every reply stands there too, such as an empty
                thought, and a thought that it opens is closed.

        Raises:
            WrongRecord: The template refuses them.
        """
        begun = self.write(messages, tools, prompt=True)
        return _opened(begun) if thinks else _closed(begun, self._lead(messages, tools))

    def _lead(self, messages: Sequence[Message], tools: Sequence[Any] | None) -> str:
        """What the template writes up to the text of a reply, whatever that text is."""
        first, second = (
            self.write([*messages, {"role": "assistant", "content": probe}], tools) for probe in _PROBES
        )
        return "" if first == second else first[: common_prefix(first, second)]

    def _turn(self, conversation: Conversation, place: int) -> Rendered:
        """The conversation up to an assistant turn, which is learned."""
        before, message = conversation.messages[:place], conversation.messages[place]
        tools = conversation.tools
        begun = self.write(before, tools, prompt=True)
        if _parted(message)[0]:
            begun = _opened(begun)
        text = self._with_thought(before, message, tools)
        start = 0 if text is None else common_prefix(text, begun)
        # Before a reply some templates write less than where one is asked for, such as no open thought.
        if text is None or begun[start:].strip():
            text, start = self._after_prompt(before, message, tools, begun)
        self._refuse_lost_calls(message, text[start:])
        self._refuse_lost_reply(message, text[start:])
        end, ended = self._end(text, start, str(message["content"]).rstrip())
        return Rendered(text, ((start, end),), ended)

    def _with_thought(
        self, before: Sequence[Message], message: Message, tools: Sequence[Any] | None
    ) -> str | None:
        """A turn and what is before it, with its thought where the template writes it, if there is one.

        Returns:
            None where the template writes no thoughts.
        """
        thought, bare = _parted(message)
        if not thought:
            return self.write([*before, message], tools)
        without = self.write([*before, bare], tools).split()
        # A template that takes thoughts in a field may write a section within the content as it is.
        forms = (
            *({**bare, field: thought} for field in THOUGHT_FIELDS),
            message,
            {**bare, "content": think_section(thought) + bare["content"]},
        )
        texts = (self.write([*before, form], tools) for form in forms)
        return next((text for text in texts if text.split() != without), None)

    def _after_prompt(
        self, before: Sequence[Message], message: Message, tools: Sequence[Any] | None, begun: str
    ) -> tuple[str, int]:
        """A turn after the prompt that the model gets for it, where the template itself writes another text.

        Returns:
            The text, and where in it the turn begins.
        """
        lead = self._lead(before, tools)
        if common_prefix(lead, begun) < common_prefix(begun, self.write(before, tools)):
            raise WrongRecord(
                "cannot be trained on with the model's chat template, whose text before a reply differs "
                "from its generation prompt",
                _HINT,
            )
        thought, bare = _parted(message)
        text = self.write([*before, bare], tools)
        reply = text[common_prefix(text, lead) :]
        if thought:
            return begun + _continued(begun, think_section(thought)) + reply, len(begun)
        if not text.startswith(lead):
            return text, common_prefix(text, begun)
        context = _closed(begun, lead)
        return context + reply, len(context)

    def _end(self, text: str, start: int, content: str) -> tuple[int, bool]:
        """Where the turn at the end of a text ends, and whether a token marks that.

        Some turns end differently from the others, like some that call tools, or without any mark.
        """
        if self._stop is not None:
            after = len(text) - len(self._tail) if text.endswith(self._tail) else text.rfind(self._stop)
            # A turn that quotes the mark need not end with it.
            if after >= start and text.count(self._stop, start) > content.count(self._stop):
                return text.index(self._stop, after) + len(self._stop), True
        end = max(start, len(text.removesuffix(self._tail).rstrip()))
        marks = [mark for mark in self._marks.values() if mark and not content.endswith(mark)]
        return end, any(text.endswith(mark, start, end) for mark in marks)

    def _refuse_dropped(self, conversation: Conversation, until: int) -> None:
        """Refuses messages and tools that the template leaves out silently."""
        messages = conversation.messages[: until + 1]
        if not conversation.tools and all(message["role"] in _WRITTEN for message in messages):
            return
        text = self.write(messages, conversation.tools)
        for place, message in enumerate(messages):
            role = message["role"]
            if role in _WRITTEN or message["content"].strip() in text:
                continue
            # Some templates write the content in another form, such as JSON in JSON.
            other = [*messages[:place], {**message, "content": _OTHER}, *messages[place + 1 :]]
            if text == self.write(other, conversation.tools):
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

    def _refuse_lost_reply(self, message: Message, written: str) -> None:
        """Refuses a reply of which the template writes nothing but marks."""
        _, _, reply = str(message["content"]).rpartition(THINK_CLOSE)
        for mark in filter(None, self._marks.values()):
            written, reply = written.replace(mark, ""), reply.replace(mark, "")
        if reply.strip() and not written.strip():
            raise WrongRecord("has a reply, which the model's chat template omits", _HINT)

    def _after_turn(self) -> str:
        """What the template writes after an assistant turn at the end."""
        probe = _PROBES[0]
        try:
            text = self.write([{"role": "user", "content": "Hello"}, {"role": "assistant", "content": probe}])
        except WrongRecord:
            return ""
        _, located, tail = text.rpartition(probe)
        return tail if located else ""


_WRITTEN = ("user", "assistant")
_TOOLS = "Train a model whose template supports tools, or remove the record."
_HINT = (
    "Some templates do not support system messages, or require alternating user and assistant turns: put "
    "the system message into the first user message, or remove the record."
)


def _parted(message: Message) -> tuple[str, Message]:
    """The thought of an assistant turn, empty for none, and the turn without it."""
    given = [message[field] for field in THOUGHT_FIELDS if str(message.get(field) or "").strip()]
    if given:
        return str(given[0]).strip(), {k: v for k, v in message.items() if k not in THOUGHT_FIELDS}
    section, closed, reply = str(message["content"]).rpartition(THINK_CLOSE)
    if not closed:
        return "", message
    return section.strip().removeprefix(THINK_OPEN).strip(), {**message, "content": reply.lstrip()}


def opens_thought(begun: str) -> bool:
    """Whether a prompt ends with the beginning of a think section."""
    return begun.rstrip().endswith(THINK_OPEN)


def _continued(begun: str, section: str) -> str:
    """What of a think section is still to be written after a prompt, which may have opened it."""
    if not opens_thought(begun):
        return section
    return section.removeprefix(THINK_OPEN).removeprefix(begun[len(begun.rstrip()) :])


def _opened(begun: str) -> str:
    """A prompt whose thought is still to be written, also where the template ends it with an empty one."""
    before = begun.rstrip()
    if not before.endswith(THINK_CLOSE):
        return begun
    before = before.removesuffix(THINK_CLOSE)
    text, opened, thought = before.rpartition(THINK_OPEN)
    if opened and not thought.strip():
        return text + opened + thought[:1]
    # Some end a thought that they have not begun, as DeepSeek-V3.1's does.
    return before + THINK_OPEN if not opened or THINK_CLOSE in thought else begun


def _closed(begun: str, lead: str) -> str:
    """A prompt, with what the template writes before every reply, and no open thought."""
    # After an open thought, the template may break lines where it has none before a reply.
    stem = begun.rstrip() if opens_thought(begun) else begun
    if lead.startswith(stem) and lead[len(stem) :].strip():
        return lead
    return begun + _continued(begun, think_section("")) if opens_thought(begun) else begun


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
