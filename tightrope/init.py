"""`tightrope init FILE model=... task=... capability=...`: a space file fitted to a model and data."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from search.config.load import load_config
from search.config.names import slug
from search.config.overrides import place, with_allowed_code
from search.epochs import in_steps
from search.errors import ConfigError, Problem, TightropeError
from search.output import say
from search.plan import make_plan
from search.plan.model import Plan
from search.verb import run_verb
from tightrope.space_text import Fitted, fit, space_text
from tightrope.words import parse
from trainables.nearest import did_you_mean
from trainables.replacement import replacement

USAGE = """\
usage: tightrope init model=MODEL task=DATA [capability=QUESTIONS] [name=NAME] [trials=N]
                      [--allow-code FILE.py] [FILE.yaml]

Writes a space file, with comments, that fits the model and the data: the form of the data, the length of
examples, the batch, the number of steps, the layers that get adapters and the range of learning rates.

  model=MODEL            a preset, a hub id (org/name) or a folder
  task=DATA              a preset, a file, a folder or a hub data set: what to learn
  capability=QUESTIONS   a preset, or a file of questions: what must not be lost; without it, general text
  name=NAME              name of the search; without it, that of the file
  trials=N               number of trials; without it, 16
  --allow-code FILE.py   let a task of your own run (docs/own.md)
  FILE.yaml              what to write; without it, NAME.yaml, or the task's name

An existing file is not overwritten. Afterwards: tightrope plan space=FILE.yaml
"""
_NEEDED = ("model", "task")
_CODE = "allow_code"
KEYS = (*_NEEDED, "capability", "name", "trials")
_LONGEST_NUMBER = 10
_LONGEST_NAME = 200
"""In bytes, of the 255 that a file's may have: it is written under a longer one first."""
_ELSEWHERE = "give a file in another folder"


class ExistsError(TightropeError):
    """There is a file already."""

    exit_code = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the file that a command line asks for; returns the exit code."""
    return run_verb(arguments, USAGE, _init)


def _init(words: list[str]) -> int:
    given = parse(with_allowed_code(words), (*KEYS, _CODE), most=1)
    path = Path(given.searches[0]).expanduser() if given.searches else _default(given.settings)
    if problems := [*_missing(given.settings), *_unwritable(path)]:
        raise ConfigError(problems, "command line")
    if os.path.lexists(path):
        raise ExistsError(f"{path} exists, and is not overwritten.", hint="Give another FILE.yaml or name=.")
    allowed = [f"{_CODE}={given.settings[_CODE]}"] if _CODE in given.settings else []
    fitted = _fitted(path, given.settings, allowed)
    try:
        with replacement(path) as part:
            part.write_text(space_text(given.settings, fitted), encoding="utf-8")
    except OSError as error:
        problem = Problem("FILE", f"cannot be written ({error.strerror})", place(str(path)), _ELSEWHERE)
        raise ConfigError([problem], "command line") from error
    say(f"{path} is written. What it would run, and then the search:")
    for verb in ("plan", "run"):
        say(f"  {shlex.join(['tightrope', verb, f'space={path}', *allowed])}")
    return 0


def _default(settings: dict[str, str]) -> Path:
    return Path(f"{settings.get('name') or slug(settings.get('task'), 'search')}.yaml")


def _missing(settings: dict[str, str]) -> Iterator[Problem]:
    """What is not given, or cannot be meant."""
    for key in _NEEDED:
        if key not in settings:
            hint = f"add {key}=...; `tightrope init --help` says what it takes"
            yield Problem(key, "is missing", "after the verb", hint)
    trials = settings.get("trials", "1")
    if not (trials.isascii() and trials.isdigit() and len(trials) < _LONGEST_NUMBER):
        yield Problem("trials", "is not a whole number", place(f"trials={trials}"), "write it as trials=16")


def _unwritable(path: Path) -> Iterator[Problem]:
    """Why there can be no such file."""
    where = place(str(path))
    if path.suffix not in (".yaml", ".yml"):
        hint = did_you_mean(path.name, (f"{path.name}.yaml",))
        yield Problem("FILE", "does not end in .yaml", where, hint)
    elif len(os.fsencode(path.name)) > _LONGEST_NAME:
        yield Problem("FILE", "has a name that is too long", where, f"use {_LONGEST_NAME} letters at most")
    elif not os.path.isdir(path.parent):
        yield Problem("FILE", f"there is no folder {path.parent}", where, "make it, or give another file")
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        yield Problem("FILE", f"{path.parent} cannot be written by this user", where, _ELSEWHERE)


def _fitted(path: Path, settings: dict[str, str], allowed: Sequence[str]) -> Fitted:
    """What fits the model and the data, by plans of the file as it would be written.

    Args:
        path: The file.
        settings: As given.
        allowed: The word that allows code to run, where there is one.

    Raises:
        ConfigError: The model or the data cannot be used, or the file would not be accepted.
    """
    refused: ConfigError | None = None
    for first in (Fitted(), Fitted(target_modules="attention")):
        try:
            fitted = fit(first, _plan(path, settings, first, allowed))
            _plan(path, settings, fitted, allowed)
            return fitted
        except ConfigError as error:
            refused = refused or error
            # Layers of experts take no adapter in every model; what else is wrong stays wrong.
            if not any("target_modules" in f"{problem.key} {problem.hint}" for problem in error.problems):
                break
    assert refused is not None
    raise refused


def _plan(path: Path, settings: dict[str, str], fitted: Fitted, allowed: Sequence[str]) -> Plan:
    """The plan of the file as it would be written.

    Raises:
        ConfigError: It would be refused.
    """
    with tempfile.TemporaryDirectory(prefix="tightrope-") as folder:
        file = Path(folder) / path.name
        file.write_text(space_text(settings, fitted), encoding="utf-8")
        try:
            resolved = load_config([f"space={file}", *allowed])
            counted = in_steps(resolved.config)
            plan = make_plan(counted.config, counted.sentence, counted.trials)
        except ConfigError as error:
            raise ConfigError([_of(path, problem, folder) for problem in error.problems]) from error
    if plan.problems:
        raise ConfigError([_of(path, problem, folder) for problem in plan.problems])
    return plan


def _of(path: Path, problem: Problem, folder: str) -> Problem:
    """A problem of the file that was planned, said of the one that is to be written."""
    if folder not in problem.where:
        return problem
    line = re.search(r":\d+$", problem.where)
    return replace(problem, where=f"{path}{line[0] if line else ''}")
