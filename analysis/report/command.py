"""The command that makes the report of a recorded search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from analysis.report import write_report
from search.config.values import uri_problem
from search.errors import ConfigError, Problem
from search.output import say
from search.record import SearchState
from search.recorded import open_search
from search.redact import redact
from search.verb import run_verb
from trainables.nearest import did_you_mean

USAGE = """usage: python -m analysis.report SEARCH [compare=SEARCH] [out=FOLDER]

Writes the report of a recorded search: report.html, which needs no other file, its plots as PNG, trials.csv,
trials.parquet and report.json.

  SEARCH           its folder, or its name in runs: runs/demo, or demo
  compare=SEARCH   another search, for the same question on another model
  out=FOLDER       where to; without it, the folder `report` in the search's
"""
_KEYS = ("compare", "out")
_PLACE = "command line"


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the report that a command line asks for; returns the exit code."""
    return run_verb(arguments, USAGE, _report, bare=False)


def _report(words: list[str]) -> int:
    began = time.perf_counter()
    name, settings = _parsed(words)
    folder, state = open_search(name)
    compare: tuple[SearchState, Path] | None = None
    if "compare" in settings:
        other, compared = open_search(settings["compare"])
        compare = compared, other
    path = write_report(state, folder, compare, settings.get("out"), redact)
    size = path.stat().st_size / 1e6
    say(f"{path} ({size:.1f} MB, made in {time.perf_counter() - began:.1f} s)")
    return 0


def _parsed(words: Sequence[str]) -> tuple[str, dict[str, Path]]:
    """The search, and the settings.

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
            Problem("SEARCH", "is missing", _PLACE, "give a search's folder or name, such as runs/demo")
        )
    problems += [
        Problem(word, "is a second search", _PLACE, "compare=SEARCH compares") for word in folders[1:]
    ]
    if problems:
        raise ConfigError(problems)
    return folders[0], settings
