"""The pretraining text: an endless seeded stream of every kind of text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from trainables.embedded.facts import FactQuestions, make_world
from trainables.embedded.reading import Reading
from trainables.embedded.texts import Arithmetic, Exchange, Instructions, note


@dataclass(frozen=True)
class Skills:
    """The skills of one seed, each divided into what is taught and what is held out."""

    facts: FactQuestions
    arithmetic: Arithmetic
    instructions: Instructions
    reading: Reading

    @classmethod
    def from_seed(cls, seed: int) -> "Skills":
        """Make the skills of a seed."""
        facts = FactQuestions.split(make_world(seed), seed)
        instructions = Instructions.split(seed)
        reading = Reading.split(facts.world, instructions)
        return cls(facts, Arithmetic.split(seed), instructions, reading)

    def writers(self) -> dict[str, Callable[[Random], Exchange]]:
        """Return what writes each kind of text of a single turn, by name."""
        return {
            "choice": self.facts.choice,
            "open": self.facts.open,
            "statement": self.facts.statement,
            "arithmetic": self.arithmetic.exchange,
            "format": self.instructions.exchange,
            "note": note,
        }


def stream(kind: str, skills: Skills, seed: int) -> Iterator[Exchange]:
    """Yield pretraining text of one kind without end; the same seed gives the same text.

    Raises:
        KeyError: if there is no such kind.
    """
    write = skills.writers()[kind]
    random = Random(f"corpus {kind} {seed}")
    while True:
        yield write(random)


def conversations(kind: str, skills: Skills, seed: int) -> Iterator[Sequence[Exchange]]:
    """Yield conversations of one kind without end: ``reading``, or a kind of ``stream`` in one turn each.

    Raises:
        KeyError: if there is no such kind.
    """
    if kind == "reading":
        yield from skills.reading.lessons(Random(f"corpus {kind} {seed}"))
    for exchange in stream(kind, skills, seed):
        yield (exchange,)
