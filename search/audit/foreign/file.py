"""Files of other tools: YAML or JSON, with the line of every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.audit.finding import Place
from search.audit.lines import place_at
from search.config.library import shown
from search.config.origins import Key, dotted
from search.config.yaml_source import MAX_BYTES, read_mapping
from search.errors import ConfigError, Problem
from trainables.data.sources import user_path

_SETTING = "--file"
_MOST_BYTES = 64 * 2**20
_LOG = re.compile(r'("log_history"\s*:\s*\[)[^\[\]]*\]')
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


@dataclass(frozen=True)
class ForeignFile:
    """What was read.

    Attributes:
        shown: The file, as messages name it.
        data: Plain data; every level of nesting is kept.
        places: Place of every key.
    """

    shown: str
    data: Mapping[str, Any]
    places: Mapping[Key, Place]

    def leaves(self) -> Iterator[Key]:
        """Every key that has a value of its own: no section, but a list as a whole."""
        yield from _leaves(self.data, ())

    def get(self, key: str) -> Any:
        """The value of a dotted key, in which a number is a place in a list; None where it is not given."""
        value: Any = self.data
        for part in key.split("."):
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                return None
        return value

    def place(self, key: str) -> Place:
        """Where a dotted key stands; the file itself where it is not in it."""
        parts = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
        return self.places.get(parts) or Place(key, self.shown)


def read_foreign(name: str) -> ForeignFile:
    """Reads a configuration of another tool.

    Args:
        name: Path of a YAML or JSON file that holds a mapping.

    Raises:
        ConfigError: It cannot be read.
    """
    path = user_path(name)
    label = shown(path)
    source = read_mapping(_text(path, label), label, _SETTING)
    if source.problems:
        raise ConfigError(source.problems)
    places = {key: place_at(dotted(key), place) for key, place in source.places.items()}
    return ForeignFile(label, source.data, places)


def _text(path: Path, label: str) -> str:
    """The text, without the log of a trainer's state, which may be megabytes; its lines stay."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
        text = None if raw is None else raw.decode("utf-8-sig")
    except OSError as error:
        raise _error(label, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _error(label, "is not text in UTF-8") from None
    if text is not None and path.suffix == ".json":
        text = _PAIR.sub(
            lambda pair: str(json.loads(f'"{pair[0]}"')), text
        )  # YAML has no pairs of surrogates
        # Outside of strings tabs only indent, and JSON has none inside of them.
        text = _LOG.sub(lambda log: log[1] + "\n" * log[0].count("\n") + "]", text).replace("\t", " ")
    if text is None or len(text.encode()) > MAX_BYTES:
        hint = "Give the file of the configuration, such as training_args.json."
        raise _error(label, f"is larger than {MAX_BYTES // 2**10} KiB, the maximum size", hint)
    return text


def _error(label: str, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(_SETTING, message, label, hint)])


def _leaves(data: Mapping[str, Any], key: Key) -> Iterator[Key]:
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*key, name))
        else:
            yield (*key, name)
