"""The words after a verb: searches, `key=value` and flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.config.overrides import place
from search.config.values import uri_problem
from search.errors import ConfigError, Problem
from search.recorded import OUT
from trainables.nearest import did_you_mean


@dataclass(frozen=True)
class Words:
    """What was asked for.

    Attributes:
        searches: Names or folders of searches.
        settings: By key.
        flags: With their dashes.
    """

    searches: tuple[str, ...]
    settings: dict[str, str]
    flags: frozenset[str]

    @property
    def out(self) -> Path:
        """The folder of searches."""
        return Path(self.settings.get("out", OUT)).expanduser()


def parse(
    words: Sequence[str], keys: Sequence[str] = (), flags: Sequence[str] = (), least: int = 0, most: int = 0
) -> Words:
    """Parses words.

    Args:
        words: After the verb.
        keys: That are taken; `search=FOLDER` is a search wherever one is taken.
        flags: That are taken, beside --help.
        least: Number of searches.
        most: Likewise.

    Raises:
        ConfigError: A word is none of these, or comes twice, or there are too few or too many searches.
    """
    searches: list[str] = []
    settings: dict[str, str] = {}
    problems: list[Problem] = []
    for word in words:
        key, equals, value = word.partition("=")
        if word.startswith("-"):
            if word not in flags:
                problems.append(Problem(word, "is not an option", place(word), did_you_mean(word, flags)))
        elif not equals or "/" in key:
            searches.append(word)
        elif not value:
            problems.append(Problem(key, "has no value", place(word)))
        elif key == "search" and most:
            searches.append(value)
        elif key not in keys:
            problems.append(Problem(key, "is not a setting", place(word), did_you_mean(key, keys)))
        elif key in settings:
            problems.append(Problem(key, "is given twice", place(word)))
        else:
            settings[key] = value
    problems += _count(searches, least, most)
    if "out" in settings and (problem := uri_problem(settings["out"])) is not None:
        problems.append(Problem("out", problem[0], place(f"out={settings['out']}"), problem[1]))
    if problems:
        raise ConfigError(problems, "command line")
    return Words(tuple(searches), settings, frozenset(words) & frozenset(flags))


def _count(searches: Sequence[str], least: int, most: int) -> list[Problem]:
    if len(searches) < least:
        what = "is missing" if least == 1 else f"{least} are needed"
        return [Problem("SEARCH", what, "after the verb", "give a search's folder, such as runs/demo")]
    return [
        Problem(word, "is one search too many" if most else "is not key=value", place(word))
        for word in searches[most:]
    ]
