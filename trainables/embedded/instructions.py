"""The skill `format`: doing with a made-up word what a short instruction says."""

from dataclasses import dataclass
from random import Random

from trainables.embedded.examples import Exchange, OpenItem

_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")
_HELDOUT_SHARE = 0.1

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
    def split(cls, seed: int) -> "Instructions":
        """Divide the words into taught and held out."""
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
        """Return an instruction over taught words."""
        return self._ask(random.randrange(len(_INSTRUCTIONS)), self.taught, random)

    def items(self, count: int, random: Random) -> list[OpenItem]:
        """Return ``count`` instructions over held-out words, every kind of instruction equally often."""
        exchanges = [self._ask(i % len(_INSTRUCTIONS), self.heldout, random) for i in range(count)]
        return [OpenItem(exchange.user, exchange.reply) for exchange in exchanges]
