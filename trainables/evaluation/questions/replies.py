"""Reads generated replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.encode import plain_ids
from trainables.evaluation.contamination.leaks import LeakIndex
from trainables.evaluation.contamination.words import grams
from trainables.evaluation.outcomes import UNPARSEABLE, ItemOutcome, Result
from trainables.evaluation.questions.answers import composed, parse_choice, same_answer, token_f1
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem
from trainables.evaluation.questions.thoughts import Parts
from trainables.settings import CapabilityConfig, SkillConfig

GRAM = 4
"""Tokens of the phrases that are looked for again in the same reply."""


@dataclass(frozen=True)
class ReadReply:
    """A reply by itself.

    Attributes:
        text: All of it.
        rest: The answer: what comes after its think section, if it has one.
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
        opened: Whether prompts end with the beginning of a thought.
    """

    def __init__(
        self, tokenizer: Any, capability: CapabilityConfig, leaks: LeakIndex, *, opened: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._capability = capability
        self._leaks = leaks
        self._texts: dict[str, str] = {}
        self._parts = Parts(tokenizer, thinks=capability.think_section, opened=opened)

    def reply(self, ids: Sequence[int]) -> ReadReply:
        """Decodes token ids and derives what follows from the reply alone."""
        thought, answer = self._parts.of(ids)
        phrases = list(grams(ids, GRAM))
        looping, exhausted = ends_in_loop(ids), len(ids) >= self._capability.reply_length
        facts = {
            "tokens": len(ids),
            "degenerate": is_degenerate(ids, self._capability.reply_length),
            "looping": looping,
            "exhausted": exhausted,
            "thought": bool(thought) or not self._capability.think_section,
            "grams": len(phrases),
            "repeats": len(phrases) - len(set(phrases)),
        }
        return ReadReply(self._parts.text(ids), answer, facts)

    def result(self, config: SkillConfig, index: int, item: Item, reply: ReadReply) -> Result:
        """What a reply is as the answer to an item."""
        if isinstance(item, ChoiceItem):
            return self._choice(index, item, reply)
        return self._open(config, index, item, reply)

    def _choice(self, index: int, item: ChoiceItem, reply: ReadReply) -> Result:
        choice = parse_choice(reply.rest, item.options)
        if choice is None:
            choice = parse_choice(reply.rest, [self._given_back(option) for option in item.options])
        outcome: ItemOutcome = "right" if choice == item.answer else "wrong"
        if choice is None:
            outcome = self._unread(reply, (item.question, *item.options))
        prediction = UNPARSEABLE if choice is None else choice
        return Result(index, outcome, prediction, reply.text, **reply.facts)

    def _open(self, config: SkillConfig, index: int, item: OpenItem, reply: ReadReply) -> Result:
        """The whole reply is the answer: a reply that does not end, or recites training data, has none."""
        given = reply.rest.strip()
        accepted = dict.fromkeys((*item.accepted, *map(self._given_back, item.accepted)))
        same = same_answer if config.match == "squad" else _exactly
        outcome: ItemOutcome = "right"
        if not any(same(given, answer) for answer in accepted):
            outcome = self._unread(reply, (item.question, *item.accepted))
            if outcome == "unparseable" and given and not reply.facts["degenerate"]:
                outcome = "wrong"
        answer = given if outcome in ("right", "wrong") else None
        f1 = max(token_f1(given, answer) for answer in accepted)
        return Result(index, outcome, reply=reply.text, answer=answer, f1=f1, **reply.facts)

    def _given_back(self, text: str) -> str:
        """A text as it would be generated: some tokenizers know no capitals, or only one form of a letter."""
        if text not in self._texts:
            ids = plain_ids(self._tokenizer, text)
            unknown = self._tokenizer.unk_token_id in ids
            self._texts[text] = text if unknown else self._parts.text(ids).strip() or text
        return self._texts[text]

    def _unread(self, reply: ReadReply, allowed: Sequence[str]) -> ItemOutcome:
        return "leaking" if self._leaks.leaks(reply.text, allowed) else "unparseable"


def _exactly(reply: str, answer: str) -> bool:
    return composed(reply) == composed(answer)


LONGEST = 8
"""Tokens of the longest phrase that is looked for."""

REPEATS = 4
"""Times that a phrase stands one after another in a loop, at least."""


def is_degenerate(reply: Sequence[int], most: int) -> bool:
    """Whether a greedy reply was cut off at its greatest length, or ends in a loop.

    Loops are how text generated by maximisation breaks down (Holtzman et al., 2020, arXiv:1904.09751), and
    often run to the greatest length. A right answer can be either; what counts is the rise over the base
    model's replies to the same items.

    Args:
        reply: Token ids, without the token that ended it.
        most: Length at which a reply is cut off.
    """
    return len(reply) >= most or ends_in_loop(reply)


def ends_in_loop(reply: Sequence[int]) -> bool:
    """Whether at least half of the reply is one phrase, repeated up to the reply's end.

    The phrase has 1 to `LONGEST` tokens and stands at least `REPEATS` times; the first of them may be
    cut off at its beginning, and then does not count.
    """
    for phrase in range(1, min(LONGEST, len(reply) // REPEATS) + 1):
        covered = phrase
        while covered < len(reply) and reply[-1 - covered] == reply[-1 - covered + phrase]:
            covered += 1
        if covered >= REPEATS * phrase and 2 * covered >= len(reply):
            return True
    return False
