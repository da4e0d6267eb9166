"""A cluster file, with the line of every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.origins import Key, dotted
from search.config.yaml_source import BoundedLoader, TooLargeError, read_mapping, read_small
from search.errors import ConfigError, Problem

PLACEHOLDER = "CHANGE-ME"


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        name: File name, for messages.
        data: The top-level mapping.
        places: File and line of every key and list item; a merged or aliased value has its anchor's.
        duplicates: Keys given twice in a mapping; YAML keeps the last and says nothing.
    """

    name: str
    data: Mapping[str, Any]
    places: Mapping[Key, str]
    duplicates: tuple[Problem, ...]

    def where(self, path: Key) -> str:
        """File and line of `path`, or of the nearest mapping around it that is in the file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.name

    def problem(self, path: Key, message: str, hint: str | None = None) -> Problem:
        """A problem at `path`."""
        return Problem(key=dotted(path) or "(file)", message=message, where=self.where(path), hint=hint)

    def get(self, *path: str | int) -> Any:
        """Value at `path`, or None where it, or a mapping or list on the way, is missing."""
        value: Any = self.data
        for part in path:
            if isinstance(value, list):
                value = value[part] if isinstance(part, int) and part < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def placeholders(self) -> list[Key]:
        """Values still to be set, each once even where aliases repeat it; commands only compare with them."""
        paths: dict[str, Key] = {}
        for path in self.places:
            value = self.get(*path)
            if isinstance(value, str) and PLACEHOLDER in value and not str(path[0]).endswith("_commands"):
                paths.setdefault(value, path)
        return list(paths.values())


def load(file: Path) -> Document:
    """Reads and parses a cluster file.

    Raises:
        ConfigError: It cannot be read, is too large, or is not a YAML mapping.
    """
    try:
        return parse(read_small(file), file.name)
    except TooLargeError as error:
        raise ConfigError([Problem("(file)", str(error), str(file))]) from error
    except OSError as error:
        raise ConfigError([Problem("(file)", f"cannot be read: {error.strerror}", str(file))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("(file)", "cannot be read: it is not UTF-8 text", str(file))]) from error


def parse(text: str, name: str) -> Document:
    """Parses the text of a cluster file, with the meaning that Ray's reader gives it.

    Raises:
        ConfigError: It is not YAML, not a mapping, or refers to itself.
    """
    source = read_mapping(text, name, "(file)", loader=BoundedLoader)
    if source.data is None:
        raise ConfigError(source.problems)
    return Document(name, source.data, source.places, tuple(source.problems))
