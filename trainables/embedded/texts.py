"""What the embedded model is taught beside facts: sums, instructions and plain notes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from string import ascii_lowercase

from trainables.evaluation.questions.items import OpenItem


@dataclass(frozen=True)
class Exchange:
    """One user message and the reply to it.

    Attributes:
        user: What the reply answers; not itself a target of training.
        reply: The target.
        plain: Whether the two are running text, without the chat format.
    """

    user: str
    reply: str
    plain: bool = False


_SUM = ("{a}+{b}=?", "What is {a}+{b}?", "Add {a} and {b}.", "{a} plus {b}?")
_DIFFERENCE = ("{a}-{b}=?", "What is {a}-{b}?", "From {a} take {b}.", "{a} minus {b}?")
_NUMBERS = range(10, 100)
_DIGITS = range(1, 10)
_HELDOUT_SHARE = 0.1

Pair = tuple[int, int]


@dataclass(frozen=True)
class Arithmetic:
    """Writes sums and differences. A held-out pair is never taught, in either order or operation."""

    taught: tuple[Pair, ...]
    heldout: tuple[Pair, ...]

    @classmethod
    def split(cls, seed: int) -> Arithmetic:
        """Divides the pairs of a number and a digit into taught and held out."""
        pairs = [(a, b) for a in _NUMBERS for b in _DIGITS]
        Random(f"arithmetic {seed}").shuffle(pairs)
        cut = round(len(pairs) * _HELDOUT_SHARE)
        return cls(tuple(pairs[cut:]), tuple(pairs[:cut]))

    @staticmethod
    def _ask(pair: Pair, random: Random) -> Exchange:
        a, b = pair
        if random.random() < 0.5:
            return Exchange(random.choice(_DIFFERENCE).format(a=a, b=b), str(a - b))
        if random.random() < 0.5:
            a, b = b, a
        return Exchange(random.choice(_SUM).format(a=a, b=b), str(a + b))

    def exchange(self, random: Random) -> Exchange:
        """A taught sum or difference."""
        return self._ask(random.choice(self.taught), random)

    def items(self, count: int, random: Random) -> list[OpenItem]:
        """Return `count` questions over different held-out pairs."""
        exchanges = [self._ask(pair, random) for pair in random.sample(self.heldout, count)]
        return [OpenItem(exchange.user, exchange.reply) for exchange in exchanges]


_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")

# Each instruction in several wordings, and the reply; {v} is a second word, {W} is the first in capitals.
_INSTRUCTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Put {w} in brackets.", "Write {w} in brackets.", "{w}, in brackets."), "[{w}]"),
    (("Put {w} in quotes.", "Write {w} in quotes.", "{w}, in quotes."), '"{w}"'),
    (("Put {w} in capitals.", "Write {w} in capitals.", "{w}, in capitals."), "{W}"),
    (("Say {w} twice.", "Write {w} twice with a comma.", "{w}, twice."), "{w}, {w}"),
    (("List {w} and {v}.", "Write {w} and {v} with a comma.", "{w} and {v}, as a list."), "{w}, {v}"),
    (("Join {w} and {v}.", "Write {w} and {v} with a dash.", "{w} and {v}, with a dash."), "{w}-{v}"),
    (("Swap {w} and {v}.", "Write {w} and {v} in reverse.", "{w} and {v}, in reverse."), "{v} {w}"),
    (("Use {w} as the name.", "Write name: and {w}.", "{w}, as the name."), "name: {w}"),
)


@dataclass(frozen=True)
class Instructions:
    """Writes instructions over made-up words of two syllables. Held-out words are never taught."""

    taught: tuple[str, ...]
    heldout: tuple[str, ...]

    @classmethod
    def split(cls, seed: int) -> Instructions:
        """Divides the words into taught and held out."""
        words = [first + second for first in _SYLLABLES for second in _SYLLABLES if first != second]
        Random(f"instructions {seed}").shuffle(words)
        cut = round(len(words) * _HELDOUT_SHARE)
        return cls(tuple(words[cut:]), tuple(words[:cut]))

    @staticmethod
    def _ask(index: int, words: tuple[str, ...], random: Random) -> Exchange:
        wordings, reply = _INSTRUCTIONS[index]
        first, second = random.sample(words, 2)
        wording = random.choice(wordings)
        return Exchange(wording.format(w=first, v=second), reply.format(w=first, v=second, W=first.upper()))

    def exchange(self, random: Random) -> Exchange:
        """An instruction over taught words."""
        return self._ask(random.randrange(len(_INSTRUCTIONS)), self.taught, random)

    def items(self, count: int, random: Random) -> list[OpenItem]:
        """Return `count` instructions over held-out words, every kind of instruction equally often."""
        exchanges = [self._ask(i % len(_INSTRUCTIONS), self.heldout, random) for i in range(count)]
        return [OpenItem(exchange.user, exchange.reply) for exchange in exchanges]


_COMMON = (
    "the", "a", "of", "to", "and", "in", "on", "at", "by", "with", "for", "from", "is", "was", "has", "had",
    "no", "not", "one", "two", "three", "new", "old", "day", "night", "house", "road", "river", "people",
    "came", "went", "saw", "took", "gave", "made", "said", "as", "or", "but", "all",
)  # fmt: skip
_STOPS = (".", ".", ".", ";", ",", ":", "!")


def _random_word(random: Random) -> str:
    word = "".join(random.choice(ascii_lowercase) for _ in range(random.randint(1, 5)))
    draw = random.random()
    if draw < 0.2:
        return word.capitalize()
    if draw < 0.25:
        return word.upper()
    return str(random.randint(0, 999)) if draw < 0.4 else word


def note(random: Random) -> Exchange:
    """One note of six to twelve words."""
    words = [
        _random_word(random) if random.random() < 0.4 else random.choice(_COMMON)
        for _ in range(random.randint(6, 12))
    ]
    words = [word + random.choice(_STOPS) if random.random() < 0.15 else word for word in words]
    return Exchange("", " ".join(words) + ".", plain=True)
