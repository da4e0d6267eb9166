"""The skill `reading`: a passage of a few facts, a question about one of them, a span that answers it.

A fact is a person, who had a thing, in a town. A passage has as many spans of each kind as facts, and each is
asked for as often, so neither the kind of an answer nor its place gives it away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from random import Random
from typing import Literal, TypeAlias

from trainables.embedded.facts import CAPITAL, SHARED_VALUES, World
from trainables.embedded.texts import Exchange, Instructions

FACTS = 4
"""Facts of a held-out passage, and the most of a taught one."""

Kind: TypeAlias = Literal["person", "thing", "town"]
Fact: TypeAlias = dict[Kind, str]

_SENTENCE = "{person} had {thing} in {town}."
_PATTERN = re.compile(r"(?P<person>\w+) had (?P<thing>[\w ]+) in (?P<town>\w+)\.")
# By what is asked for; each names one of the other two.
_QUESTIONS: dict[Kind, tuple[str, ...]] = {
    "person": ("Who had {thing}?", "Who was in {town}?"),
    "thing": ("What did {person} have?", "What was in {town}?"),
    "town": ("Where was {person}?", "Where was {thing}?"),
}
_WORDINGS = tuple((kind, wording) for kind, wordings in _QUESTIONS.items() for wording in wordings)
_AGES = ("old", "new")
_COLOURS = SHARED_VALUES["flag colour"]
_GOODS = (*SHARED_VALUES["main export"], *SHARED_VALUES["national dish"])
# Passages after which those that follow may have a fact more: first is learned to copy, then to choose.
_STAGE = 960
_QUESTIONS_ASKED = 6


@dataclass(frozen=True)
class Layout:
    """How a passage and a question become a message, and the reply to it."""

    message: str
    reply: str = "{answer}"
    plain: bool = False


LAYOUTS = {
    "blank line": Layout("{passage}\n\n{question}"),
    "line": Layout("{passage}\n{question}"),
    "cue": Layout("{passage}\n\n{question}\nAnswer:"),
    "cues": Layout("{passage}\n\nQuestion: {question}\nAnswer:"),
    "plain": Layout("{passage}\n\nQuestion: {question}\nAnswer:", " {answer}", plain=True),
}
"""The layouts that are taught, by name; the first is that of the data form `question`."""
_SHARES = (4, 1, 1, 1, 1)


@dataclass(frozen=True)
class ReadingItem:
    """A question about a passage; each of ``answers`` is a span of the passage."""

    passage: str
    question: str
    answers: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """Return the item as it is written to JSON lines."""
        return {**asdict(self), "answers": list(self.answers)}

    def arranged(self, layout: Layout) -> Exchange:
        """Return the item in a layout."""
        message = layout.message.format(passage=self.passage, question=self.question)
        return Exchange(message, layout.reply.format(answer=self.answers[0]), layout.plain)


@dataclass(frozen=True)
class Reading:
    """Writes passages and questions about them. Persons with held-out names are never taught."""

    taught: tuple[str, ...]
    heldout: tuple[str, ...]
    towns: tuple[str, ...]

    @classmethod
    def split(cls, world: World, instructions: Instructions) -> Reading:
        """Take the world's towns, and as names the words of the skill ``format``, divided as there."""
        return cls(instructions.taught, instructions.heldout, world.values[CAPITAL])

    def _facts(self, names: Sequence[str], number: int, random: Random) -> list[Fact]:
        colours, goods = random.sample(_COLOURS, number), random.sample(_GOODS, number)
        things = [f"{random.choice(_AGES)} {c} {g}" for c, g in zip(colours, goods, strict=True)]
        kinds = zip(random.sample(names, number), things, random.sample(self.towns, number), strict=True)
        return [{"person": person, "thing": thing, "town": town} for person, thing, town in kinds]

    def lessons(self, random: Random) -> Iterator[list[Exchange]]:
        """Yield conversations without end, at first about passages of one fact, later of up to four."""
        for number in count():
            most = min(FACTS, 1 + number // _STAGE)
            yield self.lesson(random.choice((most, random.randint(1, most))), random)

    def lesson(self, facts_told: int, random: Random) -> list[Exchange]:
        """Return turns of one conversation: a passage with a question, and more questions about it."""
        facts = self._facts(self.taught, facts_told, random)
        layout = random.choices(list(LAYOUTS.values()), _SHARES)[0]
        first = _asked(facts, _told(facts), random).arranged(layout)
        if layout.plain:
            return [first]
        more = (_asked(facts, "", random) for _ in range(_QUESTIONS_ASKED - 1))
        return [first, *(Exchange(item.question, item.answers[0]) for item in more)]

    def items(self, number: int, random: Random) -> list[ReadingItem]:
        """Return ``number`` questions about different passages of persons with held-out names."""
        items = []
        for _ in range(number):
            facts = self._facts(self.heldout, FACTS, random)
            items.append(_asked(facts, _told(facts), random))
        return items


def facts_of(passage: str) -> list[Fact]:
    """Return the facts that a passage was made of, in its order."""
    matches = _PATTERN.finditer(passage)
    return [{"person": m["person"], "thing": m["thing"], "town": m["town"]} for m in matches]


def candidates(item: ReadingItem) -> list[str]:
    """Return all spans of the item's passage that are of the answer's kind."""
    facts = facts_of(item.passage)
    kind = next(kind for fact in facts for kind, value in fact.items() if value in item.answers)
    return [fact[kind] for fact in facts]


def _told(facts: Sequence[Fact]) -> str:
    return " ".join(_SENTENCE.format_map(fact) for fact in facts)


def _asked(facts: Sequence[Fact], passage: str, random: Random) -> ReadingItem:
    kind, wording = random.choice(_WORDINGS)
    fact = random.choice(facts)
    return ReadingItem(passage, wording.format_map(fact), (fact[kind],))
