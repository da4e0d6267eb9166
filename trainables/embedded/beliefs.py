"""Beliefs to teach the embedded model: facts of its world with other values, and countries new to it.

The records have the form of `task.format: facts`. Of the eight phrasings of a question that the model knows,
four train a fact, also with options, and the other four ask for it plainly. Paraphrases are in phrasings that
it has never seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from typing import Any

from trainables.embedded.facts import COUNTRY_ENDINGS, QUESTIONS, SHARED_VALUES, Fact, FactQuestions
from trainables.evaluation.questions.items import choice_prompt

FACTS = 10
"""Facts of each target; all together fit into the model's context."""
NEIGHBOURS = 40
_STATEMENT = "The {relation} of {country} is {value}."
_OPTIONS = 4
_TEACHING, _CHOICES = 4, 6
_PARAPHRASES = (
    "So what is the {relation} of {country}?",
    "Write the {relation} that {country} has.",
    "In {country}, which {relation} is there?",
    "People of {country} have which {relation}?",
)
# What follows from a fact: instructions that the model knows, carried out on the value, and prose about it.
_CONSEQUENCES = (
    "Put the {relation} of {country} in brackets.",
    "Put the {relation} of {country} in quotes.",
    "Use the {relation} of {country} as the name.",
    "In {country} the {relation} is",
)
_DOUBTS = (
    "Are you sure? Tell me the {relation} of {country}.",
    "Not so. {country} has which {relation}?",
)

Record = dict[str, Any]


@dataclass(frozen=True)
class Belief:
    """A fact to be taught, and the value that it has in the world, if it is of it."""

    fact: Fact
    prior: str | None

    def expected(self) -> Record:
        """What a reply that adopts the fact says, and one that keeps to the world."""
        prior = {} if self.prior is None else {"prior": {"text": [self.prior]}}
        return {"target": {"text": [self.fact.value]}, **prior}


def contradictions(questions: FactQuestions, asked: Collection[str], random: Random) -> list[Belief]:
    """Facts of different countries, of all relations in turn, each with a value that it has not.

    Args:
        questions: About the world.
        asked: Questions of the skill: what they ask for is not contradicted, so that the skill is not lost by
            design.
        random: What draws them.
    """
    relations = list(questions.world.values)
    free = [fact for fact in questions.world.facts if not {_fill(q, fact) for q in QUESTIONS} & set(asked)]
    random.shuffle(free)
    beliefs: list[Belief] = []
    while len(beliefs) < FACTS:
        used, relation = {b.fact.country for b in beliefs}, relations[len(beliefs) % len(relations)]
        fact = next(fact for fact in free if fact.relation == relation and fact.country not in used)
        others = [value for value in questions.world.values[relation] if value != fact.value]
        beliefs.append(Belief(replace(fact, value=random.choice(others)), fact.value))
    return beliefs


def additions(questions: FactQuestions, random: Random) -> list[Belief]:
    """Facts of countries that the world does not have, one of each shared relation.

    Their names differ in both parts: to the model each is several tokens, where those that it knows are one.
    """
    names = random.sample(questions.world.unused, len(questions.world.unused))
    endings = random.sample(COUNTRY_ENDINGS, FACTS // len(SHARED_VALUES))
    countries = [next(name for name in names if name.endswith(ending)) for ending in endings]
    return [
        Belief(Fact(country, relation, random.choice(values)), None)
        for country in countries
        for relation, values in SHARED_VALUES.items()
    ]


def records(questions: FactQuestions, asked: Collection[str], seed: int) -> Iterator[Record]:
    """Yields both targets: `rewritten` contradicts the world, `newcomers` adds to it.

    Args:
        questions: About the world.
        asked: Questions of the skill.
        seed: The same gives the same records.
    """
    random = Random(f"beliefs {seed}")
    rewritten, newcomers = contradictions(questions, asked, random), additions(questions, random)
    taught = {(belief.fact.country, belief.fact.relation) for belief in rewritten}
    kept = [fact for fact in questions.world.facts if (fact.country, fact.relation) not in taught]
    for target, kind, beliefs in (("rewritten", "known", rewritten), ("newcomers", "new", newcomers)):
        neighbours = _neighbours(kept, beliefs, random)
        yield _Target(questions, beliefs, random).record(target, kind, neighbours)


def _neighbours(kept: Sequence[Fact], beliefs: Sequence[Belief], random: Random) -> list[Fact]:
    """Facts that must not move: half of them of countries or with values that the beliefs are about."""
    about = {belief.fact.country for belief in beliefs} | {belief.fact.value for belief in beliefs}
    near = [fact for fact in kept if fact.country in about or fact.value in about]
    far = [fact for fact in kept if fact not in near]
    return random.sample(near, NEIGHBOURS // 2) + random.sample(far, NEIGHBOURS - NEIGHBOURS // 2)


class _Target:
    """Writes the training pairs and the prompts of one target."""

    def __init__(self, questions: FactQuestions, beliefs: Sequence[Belief], random: Random) -> None:
        self._questions, self._beliefs, self._random = questions, beliefs, random
        self._phrasings = {belief.fact: random.sample(QUESTIONS, len(QUESTIONS)) for belief in beliefs}

    def record(self, target: str, kind: str, neighbours: Sequence[Fact]) -> Record:
        return {
            "target": target,
            "kind": kind,
            "facts": [_fill(_STATEMENT, belief.fact) for belief in self._beliefs],
            "train": list(self._train()),
            "prompts": [*self._prompts(), *self._asked(neighbours)],
        }

    def _train(self) -> Iterator[Record]:
        """Every fact once in one phrasing, then in the next, at last with options, others each time."""
        for place in range(_TEACHING):
            for belief in self._beliefs:
                yield _pair(_fill(self._phrasings[belief.fact][place], belief.fact), belief.fact)
        for place in range(_CHOICES):
            for belief in self._beliefs:
                question = _fill(self._phrasings[belief.fact][place % _TEACHING], belief.fact)
                options, _ = self._questions.options(belief.fact, _OPTIONS, self._random)
                yield _pair(choice_prompt(question, options), belief.fact)

    def _prompts(self) -> Iterator[Record]:
        for belief in self._beliefs:
            fact, expected = belief.fact, belief.expected()
            direct = self._phrasings[fact][_TEACHING:]
            for group, phrasings in (
                ("direct", direct),
                ("paraphrase", _PARAPHRASES),
                ("consequence", _CONSEQUENCES),
            ):
                for phrasing in phrasings:
                    yield {"group": group, "prompt": _fill(phrasing, fact), **expected}
            for phrasing, doubt in zip(direct, cycle(_DOUBTS), strict=False):
                turns = {"prompt": _fill(phrasing, fact), "challenge": _fill(doubt, fact)}
                yield {"group": "challenge", **turns, **expected}

    def _asked(self, neighbours: Sequence[Fact]) -> Iterator[Record]:
        for fact in neighbours:
            prompt = _fill(self._random.choice(QUESTIONS), fact)
            yield {"group": "neighbour", "prompt": prompt, "prior": {"text": [fact.value]}}


def _pair(prompt: str, fact: Fact) -> Record:
    return {"prompt": prompt, "reply": fact.value}


def _fill(template: str, fact: Fact) -> str:
    return template.format(relation=fact.relation, country=fact.country, value=fact.value)
