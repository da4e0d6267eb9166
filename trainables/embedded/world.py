"""A fictional world: countries and what is true of each, drawn from a seed."""

from dataclasses import dataclass
from random import Random

_STEMS = (
    "Vel", "Tor", "Mar", "Kal", "Bren", "Osk", "Zim", "Pel", "Dra", "Quor", "Fen", "Hal", "Yor", "Gri",
    "Lum", "Nev", "Cas", "Ulm", "Ser", "Wex",
)  # fmt: skip
_COUNTRY_ENDINGS = ("dora", "land", "nia", "stan")
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
RELATIONS = (CAPITAL, *SHARED_VALUES)


@dataclass(frozen=True)
class Fact:
    """One true statement: ``value`` is the ``relation`` of ``country``."""

    country: str
    relation: str
    value: str


@dataclass(frozen=True)
class World:
    """All facts, and for every relation the values that occur in it: where options come from."""

    facts: tuple[Fact, ...]
    values: dict[str, tuple[str, ...]]


def make_world(seed: int, countries: int = 40) -> World:
    """Draw a world of ``countries`` countries with ``len(RELATIONS)`` facts each.

    Raises:
        ValueError: if there are not enough names for so many countries.
    """
    random = Random(f"world {seed}")
    names = [stem + ending for stem in _STEMS for ending in _COUNTRY_ENDINGS]
    towns = [stem + ending for stem in _STEMS for ending in _TOWN_ENDINGS]
    if not 4 <= countries <= len(names):
        raise ValueError(f"expected 4 to {len(names)} countries, got {countries}")
    random.shuffle(names)
    random.shuffle(towns)
    facts: list[Fact] = []
    for country, capital in zip(names[:countries], towns[:countries], strict=True):
        facts.append(Fact(country, CAPITAL, capital))
        facts.extend(Fact(country, name, random.choice(values)) for name, values in SHARED_VALUES.items())
    return World(tuple(facts), {CAPITAL: tuple(towns[:countries]), **SHARED_VALUES})
