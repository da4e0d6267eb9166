"""Reads YAML with the place of every value, and everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

from search.config.origins import Key, dotted
from search.errors import Problem
from trainables.text import encodable

MAX_DEPTH = 30
"""Nested sections and lists, at most."""

MAX_BYTES = 128 * 2**10
"""Of a file. Reading takes seconds per MiB, and a space has a few KiB."""

_MAX_DIGITS = 1000
_MAX_NODES = 10_000
_START = yaml.Mark("", 0, 0, 0, "", 0)
_TAG = "tag:yaml.org,2002:"
_TOO_MUCH = f"it has more than {_MAX_NODES:,} values, counting repeated aliases"


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that a configuration must not hold."""


class BoundedLoader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, with limits on size."""

    scalars: ClassVar[tuple[str, ...]] = ("str", "bool", "null", "int", "float", "timestamp")

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges `<<` into a mapping; aliases merged into one another may double at every step."""
        super().flatten_mapping(node)
        if len(node.value) > _MAX_NODES:
            raise _RefusedError(problem=_TOO_MUCH, problem_mark=node.start_mark)


class ConfigLoader(BoundedLoader):
    """Scalars as YAML 1.2 reads them: `1e-3` is a number; `no`, `on` and dates are text."""

    scalars = ("str", "bool", "null", "int", "float")


ConfigLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    ConfigLoader.add_implicit_resolver(_TAG + _tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


@dataclass
class YamlSource:
    """What was read.

    Attributes:
        data: Plain data, or None where it cannot be read at all.
        places: Place of every key.
        problems: What is wrong with the text as YAML.
    """

    data: Any = None
    places: dict[Key, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class TooLargeError(Exception):
    """A file of configuration that would take minutes to read; the message says the limit."""


def read_small(path: Path) -> str:
    """The text of a file of configuration.

    Raises:
        TooLargeError: It has more than `MAX_BYTES`.
        OSError: It cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    with path.open("rb") as stream:
        raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise TooLargeError(f"is larger than {MAX_BYTES // 2**10} KiB, the maximum size")
    return raw.decode("utf-8")


def read_file(path: Path, shown: str, key: str, section: Key = ()) -> YamlSource:
    """Reads a file that must hold a mapping.

    Args:
        path: The file.
        shown: How messages name it.
        key: Configuration key that named it, for messages.
        section: Key of the section that the file holds, for messages.
    """
    try:
        text = read_small(path)
    except TooLargeError as error:
        hint = "Put data into separate files, which task.train and capability.skills name."
        return _refusal(key, str(error), shown, hint)
    except OSError as error:
        return _refusal(key, f"cannot be read: {error.strerror}", shown, None)
    except UnicodeDecodeError:
        return _refusal(key, "is not YAML: it is not text in UTF-8", shown, None)
    return read_mapping(text, shown, key, section)


def read_mapping(
    text: str, shown: str, key: str, section: Key = (), loader: type[BoundedLoader] = ConfigLoader
) -> YamlSource:
    """Reads the text of a file that must hold a mapping; the arguments are those of `read_file`."""
    source = read_text(text, key, lambda mark: f"{shown}:{mark.line + 1}", section, loader)
    if source.problems and source.data is None:
        return source
    if source.data is None:
        return _refusal(key, "is empty", f"{shown}:1", "A configuration file has `key: value` lines.")
    if not isinstance(source.data, dict):
        kind = "a list" if isinstance(source.data, list) else "a single value"
        return _refusal(key, f"contains {kind}, not keys with values", f"{shown}:1", None)
    return source


def read_text(
    text: str,
    key: str,
    place: Callable[[yaml.Mark], str],
    section: Key = (),
    loader: type[BoundedLoader] = ConfigLoader,
) -> YamlSource:
    """Reads YAML text with the place of every value.

    Args:
        text: The text; one document.
        key: Configuration key that the text is for.
        place: Turns a mark (0-based line and column) into a place.
        section: Key of the value that the text holds.
        loader: Says what scalars mean.
    """
    source = YamlSource()
    try:
        reader = loader(text)
        node = reader.get_single_node()
        if node is not None:
            source.data = _Walk(reader, source, place, section).value(node, ())
    except _RefusedError as error:
        where = place(error.problem_mark or _START)
        source = YamlSource(problems=[Problem(key, f"cannot be read: {error.problem}", where)])
    except yaml.MarkedYAMLError as error:
        where = place(error.problem_mark or error.context_mark or _START)
        hint = _syntax_hint(error.problem)
        source = YamlSource(problems=[Problem(key, f"is not YAML: {error.problem}", where, hint)])
    except yaml.YAMLError:
        message = "is not YAML: it contains a character that YAML does not allow"
        source = YamlSource(problems=[Problem(key, message, place(_START))])
    except RecursionError:
        source = YamlSource(problems=[Problem(key, "cannot be read: nested too deeply", place(_START))])
    except ValueError:
        # Numbers of thousands of digits.
        source = YamlSource(problems=[Problem(key, "is not YAML", place(_START))])
    return source


class _Walk:
    """Turns nodes into plain data and notes their places."""

    def __init__(
        self, loader: BoundedLoader, source: YamlSource, place: Callable[[yaml.Mark], str], section: Key
    ) -> None:
        self._loader = loader
        self._source = source
        self._place = place
        self._section = section
        self._nodes = 0

    def value(self, node: yaml.Node, key: Key) -> Any:
        """Plain data of a node, with its problems and places noted."""
        if len(key) > MAX_DEPTH:
            raise _RefusedError(problem="nested too deeply", problem_mark=node.start_mark)
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise _RefusedError(problem=_TOO_MUCH, problem_mark=node.start_mark)
        self._source.places.setdefault(key, self._place(node.start_mark))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode) or node.tag.removeprefix(_TAG) not in self._loader.scalars:
            raise _RefusedError(problem=f"tag {node.tag} is not allowed", problem_mark=node.start_mark)
        _check_scalar(node)
        try:
            return self._loader.construct_object(node)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            # A tag written out, as in `!!bool x` or `!!timestamp x`; or a number of thousands of digits.
            problem = f"this is not of the type {node.tag.removeprefix(_TAG)}, which its tag names"
            raise _RefusedError(problem=problem, problem_mark=node.start_mark) from error

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        self._refuse_repeats(node, key)
        self._loader.flatten_mapping(node)
        data: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            self._source.places[(*key, name)] = self._place(name_node.start_mark)
            data[name] = self.value(value_node, (*key, name))
        return data

    def _refuse_repeats(self, node: yaml.MappingNode, key: Key) -> None:
        first: dict[Hashable, yaml.Mark] = {}
        for name_node, _ in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                raise _RefusedError(problem="a key is not text", problem_mark=name_node.start_mark)
            _check_scalar(name_node)
            name = name_node.value
            if name in first:
                self._source.problems.append(
                    Problem(
                        dotted((*self._section, *key, name)),
                        "is given twice",
                        self._place(name_node.start_mark),
                        f"it is also at {self._place(first[name])}; keep one of them",
                    )
                )
            first.setdefault(name, name_node.start_mark)


def _check_scalar(node: yaml.ScalarNode) -> None:
    """Refuses numbers too long to compute with, and text that UTF-8 cannot hold."""
    text = node.value
    if node.tag in (f"{_TAG}int", f"{_TAG}float") and len(text) > _MAX_DIGITS:
        problem = f"a number of {len(text):,} characters, {_MAX_DIGITS:,} at most are read"
        raise _RefusedError(problem=problem, problem_mark=node.start_mark)
    if not encodable(text):
        problem = "contains half of a surrogate pair, which is not valid UTF-8"
        raise _RefusedError(problem=problem, problem_mark=node.start_mark)


def _refusal(key: str, message: str, where: str, hint: str | None) -> YamlSource:
    return YamlSource(problems=[Problem(key, message, where, hint)])


def _syntax_hint(problem: str | None) -> str | None:
    if problem and "mapping values are not allowed" in problem:
        return "a line above may lack indentation, or text with `: ` may lack quotes"
    if problem and "cannot start any token" in problem:
        return "indent with spaces, and quote text that begins with a special character"
    return None
