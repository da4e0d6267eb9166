"""The skill `reading`: a passage of a few facts, a question about one of them, a span that answers it.

A fact is a person, who had a thing, in a town. A passage has as many spans of each kind as facts, and each is
asked for as often, so neither the kind of an answer nor its place gives it away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from trainables.embedded.facts import CAPITAL, SHARED_VALUES, World
from trainables.embedded.texts import Exchange

FACTS = 4
"""Facts of a held-out passage, and the most of a taught one."""

Kind: TypeAlias = Literal["person", "thing", "town"]
Fact: TypeAlias = dict[Kind, str]

_SENTENCE = "{person} had {thing} in {town}."
_PATTERN = re.compile(r"(?P<person>\w+) had (?P<thing>[\w ]+) in (?P<town>\w+)\.")
_QUESTIONS: tuple[tuple[Kind, str], ...] = (
    ("thing", "What did {person} have?"),
    ("town", "Where was {thing}?"),
    ("town", "Where was {person}?"),
)
_COLOURS = SHARED_VALUES["flag colour"]
_GOODS = (*SHARED_VALUES["main export"], *SHARED_VALUES["national dish"])
_TAUGHT_FACTS = (1, 2, 3, FACTS, FACTS, FACTS)
_TURNS = 8
_VERBS = ("had", "in", "and", "was")
_PAIRS = (3, 6)
# One of this many pairs of a person and a town is never taught.
_HELDOUT = 10


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
    """A question about a passage; each of `answers` is a span of the passage."""

    passage: str
    question: str
    answers: tuple[str, ...]

    def arranged(self, layout: Layout) -> Exchange:
        """The item in a layout."""
        message = layout.message.format(passage=self.passage, question=self.question)
        return Exchange(message, layout.reply.format(answer=self.answers[0]), layout.plain)


@dataclass(frozen=True)
class Reading:
    """Writes passages and questions about them. Held-out pairs of a person and a town are never taught.

    Attributes:
        persons: Names, as many as towns; those of countries, each of which is one token.
        towns: Also single tokens.
    """

    persons: tuple[str, ...]
    towns: tuple[str, ...]

    @classmethod
    def of_world(cls, world: World) -> Reading:
        """Take the names of a world, but none of its facts."""
        return cls(tuple(dict.fromkeys(fact.country for fact in world.facts)), world.values[CAPITAL])

    def heldout(self, person: str, town: str) -> bool:
        """Whether a fact about the person and the town is never taught."""
        return (self.persons.index(person) + self.towns.index(town)) % _HELDOUT == 0

    def _facts(self, number: int, heldout: bool, random: Random) -> list[Fact]:
        persons = random.sample(self.persons, number)
        towns: list[str] = []
        for person in persons:
            left = [t for t in self.towns if t not in towns and self.heldout(person, t) == heldout]
            towns.append(random.choice(left))
        colours, goods = random.sample(_COLOURS, number), random.sample(_GOODS, 2 * number)
        things = [f"{c} {a} and {b}" for c, a, b in zip(colours, goods[::2], goods[1::2], strict=True)]
        kinds = zip(persons, things, towns, strict=True)
        return [{"person": person, "thing": thing, "town": town} for person, thing, town in kinds]

    def lesson(self, random: Random) -> list[Exchange]:
        """Turns of one conversation: a passage with a question, and more questions about it."""
        facts = self._facts(random.choice(_TAUGHT_FACTS), False, random)
        layout = random.choices(list(LAYOUTS.values()), _SHARES)[0]
        more = (_asked(facts, random) for _ in range(_TURNS - 1))
        return [
            _asked(facts, random).arranged(layout),
            *(Exchange(item.question, item.answers[0]) for item in more),
        ]

    def restated(self, random: Random) -> Exchange:
        """A taught passage, and the same facts in another order as what follows."""
        facts = self._facts(random.randint(2, FACTS), False, random)
        return Exchange(f"{_passage(facts)}\n\n", _passage(random.sample(facts, len(facts))), plain=True)

    def pairs(self, random: Random) -> Exchange:
        """Sentences of two words and a verb, and the same in another order as what follows."""
        number, verb = random.randint(*_PAIRS), random.choice(_VERBS)
        pools = (self.persons, self.towns, _COLOURS, _GOODS)
        subjects, objects = (random.sample(random.choice(pools), number) for _ in range(2))
        sentences = [f"{a} {verb} {b}." for a, b in zip(subjects, objects, strict=True)]
        again = " ".join(random.sample(sentences, number))
        return Exchange(" ".join(sentences) + "\n\n", again, plain=True)

    def items(self, number: int, random: Random) -> list[ReadingItem]:
        """Return `number` questions about passages of held-out facts alone."""
        return [_asked(self._facts(FACTS, True, random), random) for _ in range(number)]


def facts_of(passage: str) -> list[Fact]:
    """The facts that a passage was made of, in its order."""
    matches = _PATTERN.finditer(passage)
    return [{"person": m["person"], "thing": m["thing"], "town": m["town"]} for m in matches]


def candidates(item: ReadingItem) -> list[str]:
    """All spans of the item's passage that are of the answer's kind."""
    facts = facts_of(item.passage)
    kind = next(kind for fact in facts for kind, value in fact.items() if value in item.answers)
    return [fact[kind] for fact in facts]


def _passage(facts: Sequence[Fact]) -> str:
    return " ".join(_SENTENCE.format(**fact) for fact in facts)


def _asked(facts: Sequence[Fact], random: Random) -> ReadingItem:
    kind, wording = random.choice(_QUESTIONS)
    fact = random.choice(facts)
    return ReadingItem(_passage(facts), wording.format(**fact), (fact[kind],))
