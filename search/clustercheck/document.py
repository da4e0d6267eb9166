"""A YAML file with the line of every key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from search.errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]

PLACEHOLDER = "CHANGE-ME"
_MOST_NODES = 10_000


def spell(path: KeyPath) -> str:
    """Key path as people write it: `a.b[0].c`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "(file)"


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        name: File name, for messages.
        data: The top-level mapping.
        lines: Line, from 1, of every key and list item; a merged or aliased value has its anchor's.
        duplicates: Keys given twice in one mapping; YAML keeps the last without a word.
    """

    name: str
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    duplicates: tuple[Problem, ...]

    def where(self, path: KeyPath) -> str:
        """File and line of `path`, or of the nearest mapping around it that is in the file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.name}:{self.lines[path[:end]]}"
        return self.name

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> Problem:
        """A problem at `path`."""
        return Problem(key=spell(path), message=message, where=self.where(path), hint=hint)

    def get(self, *path: str | int) -> Any:
        """Value at `path`, or None where it, or a mapping or list on the way, is missing."""
        value: Any = self.data
        for part in path:
            if isinstance(value, list):
                value = value[part] if isinstance(part, int) and part < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def placeholders(self) -> list[KeyPath]:
        """Values still to be set, each once even where aliases repeat it; commands only compare with them."""
        found: dict[str, KeyPath] = {}
        for path in self.lines:
            value = self.get(*path)
            if isinstance(value, str) and PLACEHOLDER in value and not str(path[0]).endswith("_commands"):
                found.setdefault(value, path)
        return list(found.values())


def parse(text: str, name: str) -> Document:
    """Parses the text of a cluster file.

    Raises:
        ConfigError: It is not YAML, or not a mapping, or refers to itself.
    """
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([Problem("(file)", "is not a mapping of keys to values", f"{name}:1")])
        _refuse_cycles(root, name, frozenset(), set())
        _refuse_bombs(root, name)
        duplicates = tuple(_duplicates(root, name, ()))
        data = loader.construct_document(root)
        lines = dict(_lines(root, ()))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([Problem("(file)", f"is not YAML: {error.problem}", f"{name}:{line}")]) from error
    except yaml.YAMLError as error:
        message = "is not YAML: it holds a character that YAML does not allow"
        raise ConfigError([Problem("(file)", message, name)]) from error
    except RecursionError as error:
        raise ConfigError([Problem("(file)", "is nested too deeply", name)]) from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        # PyYAML's own errors for a value that is not what its tag says, such as `!!int x`.
        message = "holds a value that is not of the type its tag says, or a number that is too long"
        raise ConfigError([Problem("(file)", message, name)]) from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(name, data, lines, duplicates)


def _children(node: yaml.Node) -> Iterator[tuple[str | int, int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield index, value.start_mark.line + 1, value


def _lines(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    for part, line, child in _children(node):
        yield (*path, part), line
        yield from _lines(child, (*path, part))


def _duplicates(node: yaml.Node, name: str, path: KeyPath) -> Iterator[Problem]:
    first: dict[str | int, int] = {}
    for part, line, child in _children(node):
        if part in first and part != "<<":
            message = f"is given twice, first in line {first[part]}; only the last counts"
            yield Problem(spell((*path, part)), message, f"{name}:{line}", "keep one of them")
        first.setdefault(part, line)
        yield from _duplicates(child, name, (*path, part))


def _refuse_bombs(root: yaml.Node, name: str) -> None:
    """Refuses a file whose aliases stand for more values than can be looked at."""
    waiting, seen = [root], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MOST_NODES:
            message = f"stands for more than {_MOST_NODES:,} values, its aliases written out"
            raise ConfigError([Problem("(file)", message, name)])
        waiting += [child for _, _, child in _children(node)]


def _refuse_cycles(node: yaml.Node, name: str, above: frozenset[int], done: set[int]) -> None:
    for part, line, child in _children(node):
        if id(child) in above | {id(node)}:
            raise ConfigError([Problem(str(part), "refers to a value that contains it", f"{name}:{line}")])
        if id(child) not in done:
            _refuse_cycles(child, name, above | {id(node)}, done)
    done.add(id(node))
