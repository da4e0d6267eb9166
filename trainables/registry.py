"""Registries: names to implementations, with the nearest right name in the error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from trainables.errors import first_line
from trainables.nearest import nearest

T = TypeVar("T")


class Registry(Collection[str], Generic[T]):
    """Maps a name to one implementation of a kind.

    Args:
        kind: What the entries are, for messages: "searcher", "objective".
        plugins: Group of entry points by which installed packages bring more. Each names a module that
            registers an entry when it is imported, which happens once a name is not among the others, or
            when all are listed.
        home: Package that registers entries when it is imported, which happens at the same moment: so a
            registry can be read by what its entries import.
    """

    def __init__(self, kind: str, plugins: str | None = None, home: str | None = None) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._lines: dict[str, str] = {}
        self._plugins = plugins
        self._home = home
        self._broken: dict[str, str] = {}

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
        if name not in self:
            raise KeyError(f"unknown {self.kind} {name!r}{self.suggestion(name)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:
            self._load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load_plugins()
        return iter(self._entries)

    def __len__(self) -> int:
        self._load_plugins()
        return len(self._entries)

    def lines(self) -> dict[str, str]:
        """One line of description per name, in order of registration."""
        self._load_plugins()
        return dict(self._lines)

    def broken(self) -> dict[str, str]:
        """Why an installed package's entry is not there, by the name of its entry point."""
        self._load_plugins()
        return dict(self._broken)

    def _load_plugins(self) -> None:
        """Imports the home, and what installed packages bring; of these, one that fails is left out."""
        if self._home is not None:
            home, self._home = self._home, None
            import_module(home)
        if self._plugins is None:
            return
        group, self._plugins = self._plugins, None
        for plugin in entry_points(group=group):
            try:
                plugin.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - another's code must not stop this
                self._broken[plugin.name] = f"{type(error).__name__}: {first_line(error)}"

    def suggestion(self, name: str) -> str:
        """`; did you mean 'x'?`, or the names there are where none is near."""
        if name in self._broken:
            return f"; {name} is installed and cannot be imported ({self._broken[name]})"
        near = nearest(name, self._entries)
        if near:
            return f"; did you mean {near[0]!r}?"
        return f"; there are: {', '.join(self._entries)}"
