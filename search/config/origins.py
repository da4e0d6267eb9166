"""Where each value of a configuration came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Key: TypeAlias = tuple[str | int, ...]
"""Path to a value: `("capability", "skills", 0, "path")`."""

DEFAULT = "default"
COMMAND_LINE = "command line"
"""How places on the command line begin."""


def dotted(key: Key) -> str:
    """`capability.skills.0.path`: as it is written on the command line."""
    return ".".join(map(str, key))


def everywhere(value: Any, place: str) -> dict[Key, str]:
    """The same place for a value and all that lies in it, by key relative to it."""
    places: dict[Key, str] = {(): place}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        places.update({(name, *key): place for key in everywhere(inner, place)})
    return places


class Origins:
    """Maps keys to places such as `spaces/demo.yaml:14` or `command line: trials=3`.

    A key that has no place of its own has that of the section that it is in.
    """

    def __init__(self, places: Mapping[Key, str] | None = None) -> None:
        self._places: dict[Key, str] = dict(places or {})

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def of(self, key: Key) -> str:
        """Place of the nearest key at or above `key`."""
        for length in range(len(key), -1, -1):
            if key[:length] in self._places:
                return self._places[key[:length]]
        return DEFAULT

    def of_value(self, key: Key) -> str:
        """Place that a scalar came from: its own, or `default` where it was filled in.

        The command line may set a whole section or list by one word: what lies in it has that place.
        """
        return self._places.get(key, DEFAULT)

    def replace(self, key: Key, places: Mapping[Key, str]) -> None:
        """Forgets what was known at and below `key`, and takes `places` (keys below `key`) instead."""
        self.forget(key)
        self.update(key, places)

    def update(self, key: Key, places: Mapping[Key, str]) -> None:
        """Takes `places` (keys below `key`) over what was known."""
        self._places.update({key + below: place for below, place in places.items()})

    def forget(self, key: Key) -> None:
        """Drops `key` and all below it."""
        self._places = {known: place for known, place in self._places.items() if known[: len(key)] != key}

    def below(self, key: Key) -> dict[Key, str]:
        """The places at and below `key`, with keys relative to it."""
        return {known[len(key) :]: place for known, place in self._places.items() if known[: len(key)] == key}
