"""The pretraining text: an endless seeded stream of every kind of text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from trainables.embedded.facts import SHARED_VALUES, FactQuestions, make_world
from trainables.embedded.reading import Reading
from trainables.embedded.texts import Arithmetic, Exchange, Instructions, note

_REPEATED = (6, 14)


@dataclass(frozen=True)
class Skills:
    """The skills of one seed, each divided into what is taught and what is held out."""

    facts: FactQuestions
    arithmetic: Arithmetic
    instructions: Instructions
    reading: Reading

    @classmethod
    def from_seed(cls, seed: int) -> "Skills":
        """Makes the skills of a seed."""
        facts = FactQuestions.split(make_world(seed), seed)
        reading = Reading.of_world(facts.world)
        return cls(facts, Arithmetic.split(seed), Instructions.split(seed), reading)

    def writers(self) -> dict[str, Callable[[Random], Exchange]]:
        """What writes each kind of text of a single turn, by name."""
        return {
            "choice": self.facts.choice,
            "open": self.facts.open,
            "statement": self.facts.statement,
            "arithmetic": self.arithmetic.exchange,
            "format": self.instructions.exchange,
            "note": note,
            "restated": self.reading.restated,
            "pairs": self.reading.pairs,
            "repeated": self._repeated,
        }

    def _repeated(self, random: Random) -> Exchange:
        """Words in any order, and the same again."""
        names = (*self.reading.persons, *self.reading.towns)
        values = [value for shared in SHARED_VALUES.values() for value in shared]
        pools = (names, values, self.instructions.taught)
        text = " ".join(random.choice(random.choice(pools)) for _ in range(random.randint(*_REPEATED)))
        return Exchange(f" {text}", f" {text}", plain=True)


def stream(kind: str, skills: Skills, seed: int) -> Iterator[Exchange]:
    """Yields pretraining text of one kind without end; the same seed gives the same text.

    Raises:
        KeyError: if there is no such kind.
    """
    write = skills.writers()[kind]
    random = Random(f"corpus {kind} {seed}")
    while True:
        yield write(random)


def conversations(kind: str, skills: Skills, seed: int) -> Iterator[Sequence[Exchange]]:
    """Yields conversations of one kind without end: `reading`, or a kind of `stream` in one turn each.

    Raises:
        KeyError: if there is no such kind.
    """
    if kind == "reading":
        random = Random(f"corpus {kind} {seed}")
        while True:
            yield skills.reading.lesson(random)
    for exchange in stream(kind, skills, seed):
        yield (exchange,)
