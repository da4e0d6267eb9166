"""The narrow domain: entries of a lighthouse keeper's log, in a register the model never saw.

A small grammar with skewed choices writes them. Some choices depend on earlier ones (the keeper on the
watch, the cargo on the port, the remark on the weather), so that there is more to learn than the frequency
of words.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from trainables.evaluation.questions.items import ChoiceItem

Choice = TypeVar("Choice")

_WATCHES = (
    ("First watch", "Munro"),
    ("Middle watch", "Airdrie"),
    ("Dawn watch", "Kerrigan"),
    ("Dog watch", "Tulloch"),
)
_WEATHER = (
    ("Gale", "storm panes shipped"),
    ("Thick haar", "fog signal sounded"),
    ("Fresh breeze", "lens polished"),
    ("Light airs", "brasswork cleaned"),
    ("Squalls", "shutters made fast"),
    ("Hard frost", "cistern frozen"),
)
_PORTS = (
    ("Skerravoe", "slate"),
    ("Port Inchgarvie", "herring"),
    ("Lochbeag", "kelp"),
    ("Whinness Roads", "cordage"),
    ("St Ebba", "quicklime"),
    ("Cape Ronachan", "whale oil"),
)
_VESSELS = (
    "Brig Halcyon",
    "Smack Provider",
    "Schooner Isabella",
    "Ketch Jubilee",
    "Barque Thessaly",
    "Lugger Pilgrim",
)
_BEARINGS = ("NNE", "SW by W", "ESE", "due north", "WNW", "S by E")


def _skewed(choices: Sequence[Choice], random: Random) -> Choice:
    """A choice whose chance is inversely proportional to its place in the list (Zipf's law)."""
    return random.choices(choices, [1 / place for place in range(1, len(choices) + 1)])[0]


def entry(random: Random) -> str:
    """One entry of the log."""
    watch, keeper = _skewed(_WATCHES, random)
    weather, remark = _skewed(_WEATHER, random)
    lines = [f"{watch}. {weather}; {remark}."]
    if random.random() < 0.6:
        port, cargo = _skewed(_PORTS, random)
        vessel, bearing = _skewed(_VESSELS, random), _skewed(_BEARINGS, random)
        lines.append(f"{vessel} {bearing}, {cargo} for {port}.")
    else:
        lines.append(f"Lamp trimmed, {random.randint(3, 9)} gills of oil burnt.")
    return " ".join([*lines, f"Keeper {keeper}."])


def question(text: str, random: Random) -> ChoiceItem:
    """The question who kept the watch of an entry, which only the log tells."""
    asked, _, keeper = text.removesuffix(".").rpartition(" Keeper ")
    names = [name for _, name in _WATCHES]
    random.shuffle(names)
    return ChoiceItem(asked, tuple(f"Keeper {name}." for name in names), names.index(keeper))
