"""`tightrope export SEARCH [TRIAL]`: a trial as a folder that others can load and serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.config.overrides import place
from search.errors import ConfigError, Problem
from search.output import complain, say, say_json
from search.recorded import open_search
from search.verb import run_verb
from tightrope.export.choice import Chosen, choose
from tightrope.export.folder import default_folder, write_folder
from tightrope.export.gguf import find_converter, is_converter
from tightrope.export.push import push, refuse_name
from tightrope.export.recipe import write_recipe
from tightrope.export.recipes import RECIPES
from tightrope.words import Words, parse
from trainables.nearest import did_you_mean

USAGE = """\
usage: tightrope export SEARCH [TRIAL] [--merged] [--gguf] [config=TRAINER] [push=REPO]
                        [to=FOLDER] [out=FOLDER] [--json]

Writes a trial as a folder that others can load and serve: the adapter, the base's tokenizer and chat
template, and a model card with what was searched and what the trial keeps and breaks.

  SEARCH        its folder, or its name: runs/demo, or demo
  TRIAL         its number; without it, the recommended one
  --merged      the whole model, with the adapter in the base's weights, in the adapter's place
  --gguf        the adapter in llama.cpp's format too; --gguf FOLDER says where llama.cpp is
  push=REPO     upload the folder to the Hugging Face hub, as user/name
  config=TRAINER
                the configuration alone, as a file of axolotl, llamafactory or trl
  to=FOLDER     the folder to write, which must not exist; without it, exported/SEARCH-TRIAL
  out=FOLDER    where searches are looked for by name; without it, runs
  --json        one line of JSON

--to FOLDER is the same as to=FOLDER, and so on.
"""
_KEYS = ("to", "out", "config", "gguf", "push")
_EXCLUDE = (
    ("config=", ("--merged", "--gguf", "gguf=", "push=")),
    ("--merged", ("--gguf", "gguf=")),
)
_FLAGS = ("--merged", "--gguf", "--json")


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        words: As parsed.
        trial: Its number; None is the recommended one.
    """

    words: Words
    trial: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports the trial of a command line; returns the exit code."""
    return run_verb(arguments, USAGE, _export)


def _export(words: list[str]) -> int:
    request = _request(words)
    folder, state = open_search(request.words.searches[0], request.words.out)
    chosen = choose(state, folder, request.trial)
    to = _write(request.words, chosen)
    for warning in chosen.warnings:
        complain(f"warning: {warning}")
    repo = request.words.settings.get("push")
    merged = "--merged" in request.words.flags
    what = "a merged model" if merged else f"the {chosen.context.trainable.artifact}"
    address = None if repo is None else push(to, repo, what)
    if "--json" in request.words.flags:
        data = {"path": str(to), "trial": chosen.number, "warnings": chosen.warnings, "pushed": address}
        say_json(data)
    elif "config" in request.words.settings:
        say(f"The configuration of trial {chosen.number} of {chosen.config['name']} is in {to}.")
    else:
        say(f"Trial {chosen.number} of {chosen.config['name']} is in {to}; its README.md is the model card.")
        if address is not None:
            say(f"It is on the hub: {address}")
    return 0


def _write(asked: Words, chosen: Chosen) -> Path:
    """Writes what was asked for; returns where it is."""
    given = Path(asked.settings["to"]).expanduser() if "to" in asked.settings else None
    merged, trainer = "--merged" in asked.flags, asked.settings.get("config")
    to = given or default_folder(chosen, merged)
    if trainer is None:
        wants_gguf = "--gguf" in asked.flags or "gguf" in asked.settings
        converter = find_converter(asked.settings.get("gguf")) if wants_gguf else None
        if repo := asked.settings.get("push"):
            refuse_name(repo)
        write_folder(chosen, to, merged, converter)
        return to
    to = given or to.with_name(f"{to.name}-{trainer}{RECIPES[trainer].suffix}")
    write_recipe(chosen, trainer, to)
    return to


def _request(words: Sequence[str]) -> Request:
    """Takes the words apart.

    Raises:
        ConfigError: One of them is wrong.
    """
    asked = parse(_dialect(words), _KEYS, _FLAGS, least=1, most=2)
    _refuse_together(asked)
    if len(asked.searches) == 1:
        return Request(asked, None)
    number = asked.searches[1]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        hint = "gguf=FOLDER names llama.cpp's" if "--gguf" in asked.flags else "give a number, such as 7"
        problem = Problem(number, "is not the number of a trial", place(number), hint)
        raise ConfigError([problem], "command line")
    return Request(asked, int(number))


def _refuse_together(asked: Words) -> None:
    """A trainer that is not known, and words that exclude each other.

    Raises:
        ConfigError: There are such.
    """
    problems: list[Problem] = []
    trainer = asked.settings.get("config")
    if trainer is not None and trainer not in RECIPES:
        hint = did_you_mean(trainer, RECIPES)
        problems.append(Problem("config", f"{trainer!r} is not a trainer", place(f"config={trainer}"), hint))
    given = {*asked.flags, *(f"{key}=" for key in asked.settings)}
    for first, others in _EXCLUDE:
        problems += [
            Problem(other, f"cannot be given with {first}", "command line", "keep one of them")
            for other in others
            if {first, other} <= given
        ]
    if problems:
        raise ConfigError(problems, "command line")


def _dialect(words: Sequence[str]) -> list[str]:
    """`--key VALUE` and `--key=VALUE` as `key=VALUE`."""
    turned: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if word == "--gguf" and rest and is_converter(rest[0]):
            turned.append(f"gguf={rest.pop(0)}")
        elif not word.startswith("--") or word in _FLAGS or key not in _KEYS:
            turned.append(word)
        elif equals:
            turned.append(f"{key}={value}")
        else:
            turned.append(f"{key}={rest.pop(0) if rest else ''}")
    return turned
