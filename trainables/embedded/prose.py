"""Plain text of no skill: short notes of random words, so that every letter and piece is read in earnest."""

from random import Random
from string import ascii_lowercase

from trainables.embedded.examples import Exchange

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
    """Return one note of six to twelve words."""
    words = [
        _random_word(random) if random.random() < 0.4 else random.choice(_COMMON)
        for _ in range(random.randint(6, 12))
    ]
    words = [word + random.choice(_STOPS) if random.random() < 0.15 else word for word in words]
    return Exchange("", " ".join(words) + ".", plain=True)
