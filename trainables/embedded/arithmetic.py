"""The skill `arithmetic`: adding a digit to a two-digit number and taking one from it."""

from dataclasses import dataclass
from random import Random

from trainables.embedded.examples import Exchange, OpenItem

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
    def split(cls, seed: int) -> "Arithmetic":
        """Divide the pairs of a number and a digit into taught and held out."""
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
        """Return a taught sum or difference."""
        return self._ask(random.choice(self.taught), random)

    def items(self, count: int, random: Random) -> list[OpenItem]:
        """Return ``count`` questions over different held-out pairs."""
        exchanges = [self._ask(pair, random) for pair in random.sample(self.heldout, count)]
        return [OpenItem(exchange.user, exchange.reply) for exchange in exchanges]
