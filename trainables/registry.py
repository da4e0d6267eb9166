"""Registries: names to implementations, with the nearest right name in the error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from trainables.nearest import nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps a name to one implementation of a kind.

    Args:
        kind: What the entries are, for messages: "searcher", "objective".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._lines: dict[str, str] = {}

    def register(self, name: str, line: str) -> Callable[[T], T]:
        """Registers the decorated object.

        Args:
            name: Name used in configuration.
            line: One line for `--list`.

        Raises:
            ValueError: The name is taken.
        """

        def decorate(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            self._lines[name] = line
            return entry

        return decorate

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise KeyError(f"unknown {self.kind} {name!r}{self.suggestion(name)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def lines(self) -> dict[str, str]:
        """One line of description per name, in order of registration."""
        return dict(self._lines)

    def suggestion(self, name: str) -> str:
        """`; did you mean 'x'?`, or the names there are where none is near."""
        near = nearest(name, self._entries)
        if near:
            return f"; did you mean {near[0]!r}?"
        return f"; there are: {', '.join(self._entries)}"
