"""The `key=value` words of the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.config.origins import Key, dotted
from search.config.wording import cut
from search.config.yaml_source import MAX_DEPTH, read_text
from search.errors import ConfigError, Problem
from trainables.nearest import nearest
from trainables.text import encodable

GROUPS = ("model", "task", "capability", "searcher", "scheduler", "warm_start")
"""Sections that a single word chooses as a whole, by name."""

_TEMPLATES: tuple[Key, ...] = (("task", "prompt"), ("task", "completion"))

_PART = re.compile(r"[\w-]+")
_PLAIN = re.compile(r"[\w./~-]+")
_MOST_DIGITS = 9

ALLOW = "--allow-code"
FLAGS = ("--plan", "--config", "--list", "--json", "--help", ALLOW)


@dataclass(frozen=True)
class Override:
    """One word.

    Attributes:
        key: Path to what it sets.
        value: Plain data.
        where: The word as the place that the value came from.
    """

    key: Key
    value: Any
    where: str

    @property
    def chooses(self) -> bool:
        """Whether it chooses a whole section by name (`model=smollm2`)."""
        return len(self.key) == 1 and self.key[0] in GROUPS


def place(word: str) -> str:
    """How messages name a word of the command line."""
    return f"command line: {cut(' '.join(word.split()), 60)}"


def entry(part: str | int, length: int) -> int | None:
    """The list index that part of a key stands for, or None where it is not an index of such a list."""
    text = str(part)
    is_index = text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) < length
    return int(text) if is_index else None


def with_allowed_code(words: Sequence[str]) -> list[str]:
    """The words with `--allow-code FILE`, however often it is given, as one setting `allow_code`.

    Raises:
        ConfigError: The flag has no file.
    """
    left: list[str] = []
    files: list[str] = []
    given = iter(words)
    for word in given:
        if word != ALLOW and not word.startswith(f"{ALLOW}="):
            left.append(word)
            continue
        file = word.removeprefix(ALLOW).removeprefix("=") or next(given, "")
        if not file or file.startswith("-"):
            problem = Problem(ALLOW, "has no file", place(word), f"write {ALLOW} FILE.py")
            raise ConfigError([problem], "command line")
        files.append(file)
    if not files:
        return left
    plain = len(files) == 1 and _PLAIN.fullmatch(files[0])
    return [*left, f"allow_code={files[0] if plain else json.dumps(files, ensure_ascii=False)}"]


def parse_words(words: Sequence[str]) -> tuple[list[Override], list[Problem]]:
    """Parses all words; also returns a problem for each word that cannot be parsed.

    Values are YAML: `30`, `1e-3`, `[1, 2]`, `[1,2]`, `{type: int, low: 1, high: 8}`, `null`.
    """
    overrides: dict[Key, Override] = {}
    problems: list[Problem] = []
    for word in words:
        parsed = _parse(word)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        elif parsed.key in overrides:
            first = overrides[parsed.key].where.removeprefix("command line: ")
            problems.append(
                Problem(
                    dotted(parsed.key),
                    "is given twice",
                    parsed.where,
                    f"the other is `{first}`; keep one of them",
                )
            )
        else:
            overrides[parsed.key] = parsed
    return list(overrides.values()), problems


def _parse(word: str) -> Override | Problem:
    where = place(word)
    if not encodable(word):
        return Problem(word.partition("=")[0], "is not text in UTF-8", where, "write it in UTF-8")
    name, equals, text = word.partition("=")
    if not equals:
        return Problem(word, "is not key=value", where, _bare_hint(word))
    parts = re.sub(r"\[(\d+)\]", r".\1", name).split(".")
    if len(parts) > MAX_DEPTH or not all(_PART.fullmatch(part) for part in parts):
        return Problem(name or word, "is not a key", where, "write key=value, with dots between nested keys")
    if not text.strip():
        return Problem(name, "has no value", where, f"write {name}=null for none, and no space after the `=`")
    key: Key = tuple(parts)
    if key in _TEMPLATES and text.lstrip()[:1] not in ("'", '"') and text != "null":
        return Override(key, text, where)  # its braces are fields, and no mapping
    source = read_text(text, name, lambda mark: where, key)
    if source.problems:
        problem = source.problems[0]
        hint = problem.hint or f"quote special characters: '{name}=\"...\"'"
        return Problem(problem.key, f"its value {problem.message}", where, hint)
    return Override(key, source.data, where)


def _bare_hint(word: str) -> str:
    near = nearest(f"--{word.lstrip('-')}", FLAGS)
    if near:
        return f"did you mean {near[0]}?"
    return f"write key=value; to search a space: space={word}"
