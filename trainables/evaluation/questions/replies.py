"""What is read out of a generated reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainables.evaluation.contamination.leaks import LeakIndex
from trainables.evaluation.contamination.words import grams
from trainables.evaluation.outcomes import UNPARSEABLE, Outcome, Result
from trainables.evaluation.questions.degenerate import ends_in_loop, is_degenerate
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem
from trainables.evaluation.questions.parse import parse_choice
from trainables.evaluation.questions.squad import same_answer, token_f1
from trainables.evaluation.questions.think import split_thought
from trainables.settings import CapabilityConfig, SkillConfig

_GRAM = 4


@dataclass(frozen=True)
class ReadReply:
    """A reply by itself.

    Attributes:
        text: All of it.
        rest: What comes after its think section, where one is asked for.
        facts: Fields of `Result` that follow from the reply alone.
    """

    text: str
    rest: str
    facts: dict[str, Any]


class Reader:
    """Reads replies.

    Args:
        tokenizer: The model's.
        capability: Says how long replies may be, and whether they think first.
        leaks: The training data.
    """

    def __init__(self, tokenizer: Any, capability: CapabilityConfig, leaks: LeakIndex) -> None:
        self._tokenizer = tokenizer
        self._capability = capability
        self._leaks = leaks

    def reply(self, ids: Sequence[int]) -> ReadReply:
        """Decodes token ids, and looks at them."""
        text, thought, rest = self._decoded(ids, skip=True), True, None
        if self._capability.think_section:
            # The tags may be special tokens.
            section, rest = split_thought(self._decoded(ids, skip=False))
            thought = bool(section)
        found = list(grams(ids, _GRAM))
        looping, exhausted = ends_in_loop(ids), len(ids) >= self._capability.reply_length
        facts = {
            "tokens": len(ids),
            "degenerate": is_degenerate(ids, self._capability.reply_length),
            "looping": looping,
            "exhausted": exhausted,
            "thought": thought,
            "grams": len(found),
            "repeats": len(found) - len(set(found)),
        }
        return ReadReply(text, text if rest is None else rest, facts)

    def _decoded(self, ids: Sequence[int], *, skip: bool) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False))

    def result(self, config: SkillConfig, index: int, item: Item, reply: ReadReply) -> Result:
        """What a reply is as the answer to an item."""
        if isinstance(item, ChoiceItem):
            return self._choice(index, item, reply)
        return self._open(config, index, item, reply)

    def _choice(self, index: int, item: ChoiceItem, reply: ReadReply) -> Result:
        choice = parse_choice(reply.rest, item.options)
        outcome: Outcome = "right" if choice == item.answer else "wrong"
        if choice is None:
            outcome = self._unread(reply, (item.question, *item.options))
        prediction = UNPARSEABLE if choice is None else choice
        return Result(index, outcome, prediction, reply.text, **reply.facts)

    def _open(self, config: SkillConfig, index: int, item: OpenItem, reply: ReadReply) -> Result:
        """The whole reply is the answer, so one that does not end, or speaks of other things, has none."""
        given, wanted = reply.rest.strip(), item.answer.strip()
        same = same_answer(given, wanted) if config.match == "squad" else given == wanted
        outcome: Outcome = "right"
        if not same:
            outcome = self._unread(reply, (item.question, item.answer))
            if outcome == "unparseable" and given and not reply.facts["degenerate"]:
                outcome = "wrong"
        answer = given if outcome in ("right", "wrong") else None
        f1 = token_f1(given, wanted)
        return Result(index, outcome, reply=reply.text, answer=answer, f1=f1, **reply.facts)

    def _unread(self, reply: ReadReply, allowed: Sequence[str]) -> Outcome:
        return "leaking" if self._leaks.leaks(reply.text, allowed) else "unparseable"
