"""The skill `facts`: questions about the world, asked openly, asked with options, and written as prose."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from trainables.embedded.texts import Exchange
from trainables.evaluation.questions.items import ChoiceItem, choice_prompt

QUESTIONS = (
    "What is the {relation} of {country}?",
    "Name the {relation} of {country}.",
    "Which {relation} does {country} have?",
    "{country} has which {relation}?",
    "Tell me the {relation} of {country}.",
    "For {country}, what is the {relation}?",
    "What {relation} belongs to {country}?",
    "Give the {relation} that {country} has.",
)
"""The phrasings in which a fact is asked for."""

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
    def split(cls, world: World, seed: int) -> FactQuestions:
        """Choose which phrasings of which facts are held out."""
        random = Random(f"facts {seed}")
        return cls(world, {fact: tuple(random.sample(QUESTIONS, 2)) for fact in world.facts})

    def _taught(self, fact: Fact, random: Random) -> str:
        template = random.choice([q for q in QUESTIONS if q not in self.heldout[fact]])
        return template.format(relation=fact.relation, country=fact.country)

    def options(self, fact: Fact, count: int, random: Random) -> tuple[tuple[str, ...], int]:
        """Return `count` values of the fact's relation in a random order, and the index of its own."""
        wrong = [value for value in self.world.values[fact.relation] if value != fact.value]
        options = random.sample(wrong, count - 1)
        answer = random.randrange(count)
        options.insert(answer, fact.value)
        return tuple(options), answer

    def open(self, random: Random) -> Exchange:
        """A taught question and its answer in words."""
        fact = random.choice(self.world.facts)
        return Exchange(self._taught(fact, random), fact.value)

    def choice(self, random: Random) -> Exchange:
        """A taught question with options; the reply is the right option's text."""
        fact = random.choice(self.world.facts)
        options, _ = self.options(fact, random.choice(_OPTION_COUNTS), random)
        return Exchange(choice_prompt(self._taught(fact, random), options), fact.value)

    def statement(self, random: Random) -> Exchange:
        """A fact written as prose."""
        fact = random.choice(self.world.facts)
        template = random.choice(_STATEMENTS)
        text = template.format(relation=fact.relation, country=fact.country, value=fact.value)
        return Exchange("", text, plain=True)

    def items(self, count: int, random: Random) -> list[ChoiceItem]:
        """Return `count` held-out questions about different facts."""
        items = []
        for fact in random.sample(self.world.facts, count):
            template = random.choice(self.heldout[fact])
            options, answer = self.options(fact, _ITEM_OPTIONS, random)
            question = template.format(relation=fact.relation, country=fact.country)
            items.append(ChoiceItem(question, options, answer))
        return items


_STEMS = (
    "Vel", "Tor", "Mar", "Kal", "Bren", "Osk", "Zim", "Pel", "Dra", "Quor", "Fen", "Hal", "Yor", "Gri",
    "Lum", "Nev", "Cas", "Ulm", "Ser", "Wex",
)  # fmt: skip
COUNTRY_ENDINGS = ("dora", "land", "nia", "stan")
_TOWN_ENDINGS = ("ham", "grad", "ford", "wick")

SHARED_VALUES: dict[str, tuple[str, ...]] = {
    "main export": (
        "copper", "wool", "honey", "timber", "glass", "salt", "silk", "coal", "wheat", "paper", "amber",
        "tea",
    ),
    "flag colour": ("red", "blue", "green", "yellow", "purple", "orange", "white", "black", "pink", "grey"),
    "national animal": (
        "bear", "eagle", "otter", "wolf", "heron", "lynx", "badger", "crane", "goat", "seal", "hare", "owl",
    ),
    "national dish": (
        "soup", "bread", "stew", "cheese", "rice", "beans", "noodles", "pie", "fish", "curry", "porridge",
        "salad",
    ),
    "national sport": (
        "rowing", "chess", "archery", "skating", "fencing", "running", "golf", "tennis", "sailing", "judo",
        "polo", "diving",
    ),
}  # fmt: skip
"""The values that several countries may share, by relation."""

CAPITAL = "capital"
_COUNTRIES = 40


@dataclass(frozen=True)
class Fact:
    """One true statement: `value` is the `relation` of `country`."""

    country: str
    relation: str
    value: str


@dataclass(frozen=True)
class World:
    """All facts, and what else they are made of.

    Attributes:
        facts: In the order of their countries.
        values: Those of every relation that occur in the world: where options come from.
        unused: Names that no country has.
    """

    facts: tuple[Fact, ...]
    values: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]


def make_world(seed: int) -> World:
    """Draws a world of countries with a fact of each relation."""
    random = Random(f"world {seed}")
    names = [stem + ending for stem in _STEMS for ending in COUNTRY_ENDINGS]
    towns = [stem + ending for stem in _STEMS for ending in _TOWN_ENDINGS]
    random.shuffle(names)
    random.shuffle(towns)
    facts: list[Fact] = []
    for country, capital in zip(names[:_COUNTRIES], towns[:_COUNTRIES], strict=True):
        facts.append(Fact(country, CAPITAL, capital))
        facts.extend(Fact(country, name, random.choice(values)) for name, values in SHARED_VALUES.items())
    values = {CAPITAL: tuple(towns[:_COUNTRIES]), **SHARED_VALUES}
    return World(tuple(facts), values, tuple(names[_COUNTRIES:]))
