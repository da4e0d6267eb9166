"""The words after a verb: searches, `key=value` and flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.config.overrides import place
from search.config.values import uri_problem
from search.errors import ConfigError, Problem, RecordError
from search.record import SearchState, read_events
from search.record.files import EVENTS
from trainables.nearest import did_you_mean

OUT = "runs"
"""Where searches are, unless `out` says otherwise."""


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


def search_folder(word: str, out: Path) -> Path:
    """The folder of a search.

    Args:
        word: The folder, or its name in `out`.
        out: Folder of searches.

    Raises:
        RecordError: There is no search.
    """
    given = Path(word).expanduser()
    for folder in (given, out / word):
        if (folder / EVENTS).is_file():
            return folder
    names = sorted(path.parent.name for path in out.glob(f"*/{EVENTS}"))
    if given.is_dir():
        raise RecordError(f"{word} is not a search's folder: it has no {EVENTS}.", _hint(word, names, out))
    raise RecordError(f"There is no search {word}.", _hint(word, names, out))


def _hint(word: str, names: Sequence[str], out: Path) -> str:
    if not names:
        return f"{out} contains no searches; out=FOLDER names another folder."
    return f"In {out}, {did_you_mean(Path(word).name, names)}"


def load(folder: Path) -> SearchState:
    """The state of the search recorded in a folder.

    Raises:
        RecordError: The record is damaged, or the search has not begun.
    """
    state = SearchState.from_events(read_events(folder))
    if state.started is None:
        raise RecordError(f"{folder} contains no search that has started.")
    return state
