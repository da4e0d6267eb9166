"""`tightrope init FILE model=... task=... capability=...`: a space file fitted to a model and data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from search.config.load import load_config
from search.config.overrides import place
from search.epochs import in_steps
from search.errors import ConfigError, Problem, TightropeError
from search.output import say
from search.plan import make_plan
from search.plan.model import Plan
from tightrope.running import run_verb
from tightrope.space_text import Fitted, fit, space_text
from tightrope.words import parse
from trainables.nearest import did_you_mean
from trainables.replacement import replacement

USAGE = """\
usage: tightrope init model=MODEL task=DATA [capability=QUESTIONS] [name=NAME] [trials=N] [FILE.yaml]

Writes a space file, with comments, that fits the model and the data: the form of the data, the length of
examples, the batch, the number of steps, the layers that get adapters and the range of learning rates.

  model=MODEL            a preset, a hub id (org/name) or a folder
  task=DATA              a preset, a file, a folder or a hub data set: what to learn
  capability=QUESTIONS   a preset, or a file of questions: what must not be lost; without it, general text
  name=NAME              name of the search; without it, that of the file
  trials=N               number of trials; without it, 16
  FILE.yaml              what to write; without it, NAME.yaml, or the task's name

An existing file is not overwritten. Afterwards: tightrope plan space=FILE.yaml
"""
_NEEDED = ("model", "task")
_KEYS = (*_NEEDED, "capability", "name", "trials")


class ExistsError(TightropeError):
    """There is a file already."""

    exit_code = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the file that a command line asks for; returns the exit code."""
    return run_verb(arguments, USAGE, _init)


def _init(words: list[str]) -> int:
    given = parse(words, _KEYS, most=1)
    missing = [
        Problem(
            key, "is missing", "after the verb", f"add {key}=...; `tightrope init --help` says what it takes"
        )
        for key in _NEEDED
        if key not in given.settings
    ]
    path = Path(given.searches[0]).expanduser() if given.searches else _default(given.settings)
    if path.suffix not in (".yaml", ".yml"):
        hint = did_you_mean(path.name, (f"{path.name}.yaml",))
        missing.append(Problem("FILE", "does not end in .yaml", place(str(path)), hint))
    if missing:
        raise ConfigError(missing, "command line")
    if path.exists():
        raise ExistsError(f"{path} exists, and is not overwritten.", hint="Give another FILE.yaml or name=.")
    fitted = _fitted(path, given.settings)
    with replacement(path) as part:
        part.write_text(space_text(given.settings, fitted), encoding="utf-8")
    say(f"{path} is written. What it would run, and then the search:")
    say(f"  tightrope plan space={path}\n  tightrope run space={path}")
    return 0


def _default(settings: dict[str, str]) -> Path:
    name = settings.get("name") or Path(settings.get("task", "search")).name.partition(".")[0]
    return Path(f"{name}.yaml")


def _fitted(path: Path, settings: dict[str, str]) -> Fitted:
    """What fits the model and the data, by plans of the file as it would be written.

    Raises:
        ConfigError: The model or the data cannot be used, or the file would not be accepted.
    """
    refused: ConfigError | None = None
    for first in (Fitted(), Fitted(target_modules="attention")):
        try:
            fitted = fit(first, _plan(path, settings, first))
            _plan(path, settings, fitted)
            return fitted
        except ConfigError as error:
            refused = refused or error
            # Layers of experts take no adapter in every model; what else is wrong stays wrong.
            if not any("target_modules" in f"{problem.key} {problem.hint}" for problem in error.problems):
                break
    assert refused is not None
    raise refused


def _plan(path: Path, settings: dict[str, str], fitted: Fitted) -> Plan:
    """The plan of the file as it would be written.

    Raises:
        ConfigError: It would be refused.
    """
    with tempfile.TemporaryDirectory(prefix="tightrope-") as folder:
        file = Path(folder) / path.name
        file.write_text(space_text(settings, fitted), encoding="utf-8")
        resolved = load_config([f"space={file}"])
        counted = in_steps(resolved.config)
        plan = make_plan(counted.config, counted.sentence, counted.trials)
    if plan.problems:
        raise ConfigError(plan.problems)
    return plan
