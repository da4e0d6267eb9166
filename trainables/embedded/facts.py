"""The skill `facts`: questions about the world, asked openly, asked with options, and written as prose."""

from dataclasses import dataclass
from random import Random

from trainables.embedded.examples import ChoiceItem, Exchange
from trainables.embedded.world import Fact, World
from trainables.evaluation.questions.items import choice_prompt

_QUESTIONS = (
    "What is the {relation} of {country}?",
    "Name the {relation} of {country}.",
    "Which {relation} does {country} have?",
    "{country} has which {relation}?",
    "Tell me the {relation} of {country}.",
    "For {country}, what is the {relation}?",
    "What {relation} belongs to {country}?",
    "Give the {relation} that {country} has.",
)
_STATEMENTS = (
    "The {relation} of {country} is {value}.",
    "{country} has {value} as its {relation}.",
    "In {country} the {relation} is {value}.",
    "{value} is the {relation} of {country}.",
)
_ITEM_OPTIONS = 4
_OPTION_COUNTS = (2, 3, 4, 4)


@dataclass(frozen=True)
class FactQuestions:
    """Writes questions about a world. For every fact, two of the phrasings are held out and never taught."""

    world: World
    heldout: dict[Fact, tuple[str, ...]]

    @classmethod
    def split(cls, world: World, seed: int) -> "FactQuestions":
        """Choose which phrasings of which facts are held out."""
        random = Random(f"facts {seed}")
        return cls(world, {fact: tuple(random.sample(_QUESTIONS, 2)) for fact in world.facts})

    def _taught(self, fact: Fact, random: Random) -> str:
        template = random.choice([q for q in _QUESTIONS if q not in self.heldout[fact]])
        return template.format(relation=fact.relation, country=fact.country)

    def _options(self, fact: Fact, count: int, random: Random) -> tuple[tuple[str, ...], int]:
        wrong = [value for value in self.world.values[fact.relation] if value != fact.value]
        options = random.sample(wrong, count - 1)
        answer = random.randrange(count)
        options.insert(answer, fact.value)
        return tuple(options), answer

    def open(self, random: Random) -> Exchange:
        """Return a taught question and its answer in words."""
        fact = random.choice(self.world.facts)
        return Exchange(self._taught(fact, random), fact.value)

    def choice(self, random: Random) -> Exchange:
        """Return a taught question with options; the reply is the right option's text."""
        fact = random.choice(self.world.facts)
        options, _ = self._options(fact, random.choice(_OPTION_COUNTS), random)
        return Exchange(choice_prompt(self._taught(fact, random), options), fact.value)

    def statement(self, random: Random) -> Exchange:
        """Return a fact written as prose."""
        fact = random.choice(self.world.facts)
        template = random.choice(_STATEMENTS)
        text = template.format(relation=fact.relation, country=fact.country, value=fact.value)
        return Exchange("", text, plain=True)

    def items(self, count: int, random: Random) -> list[ChoiceItem]:
        """Return ``count`` held-out questions about different facts."""
        items = []
        for fact in random.sample(self.world.facts, count):
            template = random.choice(self.heldout[fact])
            options, answer = self._options(fact, _ITEM_OPTIONS, random)
            question = template.format(relation=fact.relation, country=fact.country)
            items.append(ChoiceItem(question, options, answer))
        return items
