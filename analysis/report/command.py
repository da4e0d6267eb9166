"""The command that makes the report of a recorded search."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from analysis.report import write_report
from search.config.values import uri_problem
from search.errors import ConfigError, Problem, RecordError, TightropeError
from search.output import complain, say
from search.record import SearchState, read_events
from search.record.files import EVENTS
from search.redact import redact
from trainables.nearest import did_you_mean

USAGE = """usage: python -m analysis.report FOLDER [compare=FOLDER] [out=FOLDER]

Writes the report of a recorded search: report.html, which needs no other file, its plots as PNG, trials.csv,
trials.parquet and report.json.

  FOLDER           folder of the search, for example runs/demo
  compare=FOLDER   another search, for the same question on another model
  out=FOLDER       where to; without it, FOLDER/report
"""
_KEYS = ("compare", "out")
_PLACE = "command line"


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the report that a command line asks for; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--help" in words or "-h" in words:
        say(USAGE)
        return 0
    if not words:
        complain(USAGE)
        return 2
    began = time.perf_counter()
    try:
        folder, settings = _parsed(words)
        state = _load(folder)
        other = settings.get("compare")
        compare = None if other is None else (_load(other), other)
        path = write_report(state, folder, compare, settings.get("out"), redact)
    except TightropeError as error:
        text = str(error) if isinstance(error, ConfigError) else f"error: {error}"
        complain(redact(text))
        return 2
    size = path.stat().st_size / 1e6
    say(f"{path} ({size:.1f} MB, made in {time.perf_counter() - began:.1f} s)")
    return 0


def _parsed(words: Sequence[str]) -> tuple[Path, dict[str, Path]]:
    """The search's folder, and the settings.

    Raises:
        ConfigError: A word is none of these, or comes twice.
    """
    folders, settings, problems = [], {}, []
    for word in words:
        key, sign, value = word.partition("=")
        if word.startswith("-"):
            problems.append(Problem(word, "is not an option", _PLACE, "the only option is --help"))
        elif not sign or "/" in key:
            folders.append(word)
        elif key not in _KEYS:
            hint = did_you_mean(f"{key}=", (f"{known}=" for known in _KEYS))
            problems.append(Problem(key, "is not a setting", _PLACE, hint))
        elif not value or key in settings:
            problems.append(Problem(key, "is given twice" if value else "needs a folder", _PLACE))
        elif (problem := uri_problem(value)) is not None:
            problems.append(Problem(key, problem[0], _PLACE, problem[1]))
        else:
            settings[key] = Path(value).expanduser()
    if not folders and not problems:
        problems.append(
            Problem("FOLDER", "is missing", _PLACE, "give the folder of a search, such as runs/demo")
        )
    problems += [
        Problem(word, "is a second folder", _PLACE, "compare=FOLDER compares") for word in folders[1:]
    ]
    if problems:
        raise ConfigError(problems)
    return Path(folders[0]).expanduser(), settings


def _load(folder: Path) -> SearchState:
    """The state of the search recorded in a folder.

    Raises:
        RecordError: There is no record there, or it is damaged, or the search has not begun.
    """
    if not (folder / EVENTS).exists():
        raise RecordError(
            f"{folder} is not a search's folder: it has no {EVENTS}.",
            hint="Give the folder of a search, for example runs/demo.",
        )
    state = SearchState.from_events(read_events(folder))
    if state.started is None:
        raise RecordError(f"{folder} contains no search that has started.")
    return state
