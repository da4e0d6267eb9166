"""`tightrope stop|pause|resume|clone SEARCH [TRIAL]`: steers a search from another terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.config.checks.parameters import refusals
from search.config.overrides import parse_words
from search.config.schema import SearchConfig
from search.errors import ConfigError, Problem, RecordError, TightropeError
from search.output import say, say_json
from search.record import RecordReader, RequestAnswered, SearchState
from search.record.events import Params, Verb
from search.record.files import is_being_written
from search.recorded import open_search
from search.requests import Request, cloned_point, remove, send
from search.space import SearchSpace
from search.verb import run_verb
from search.wording import params as params_text
from search.wording import plural
from tightrope.words import Words, parse
from trainables.specs import TRAINABLES

WAIT_SECONDS = 20.0
"""For an answer: a driver looks twice a second, but for moments in which Ray or the model keeps it."""
_LOOK_SECONDS = 0.2
_LONGEST_NUMBER = 10

_WHAT: Mapping[str, str] = {
    "stop": """\
usage: tightrope stop SEARCH [TRIAL] [out=FOLDER] [--json]

Ends a running search in order, as Ctrl-C in its terminal does; the command that it shows resumes it.
With TRIAL, ends one trial of it: what it has measured is kept, it counts as cancelled, and the searcher
learns nothing from it but where it was.
""",
    "pause": """\
usage: tightrope pause SEARCH TRIAL [out=FOLDER] [--json]

Has a trial wait from its next rung on, at its checkpoint; its place goes to another one. A search ends
with its paused trials waiting.
""",
    "resume": """\
usage: tightrope resume SEARCH TRIAL [out=FOLDER] [--json]

Continues a trial that was paused, by hand or by the scheduler, from its last rung.
""",
    "clone": """\
usage: tightrope clone SEARCH TRIAL [PARAMETER=VALUE ...] [out=FOLDER] [--json]

Adds a trial with the values of another one, but for those that are given, and with another seed. Its values
must lie in the search's space. It comes on top of the trials that the search was to have.

  PARAMETER=VALUE   a searched parameter: lr=1e-4
""",
}
_COMMON = """
  SEARCH        a folder, or a name: runs/demo, or demo
  TRIAL         a trial's number
  out=FOLDER    where searches are looked for by name; without it, runs
  --json        one line of JSON

Where the search is not running, the request waits in its folder until it goes on.
"""


class RefusedError(TightropeError):
    """The search, or what has become of the trial, does not allow it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Sends a request; its first word is the verb.

    Returns:
        Exit code: 0 where it was carried out or waits, 1 where it was refused, 2 for wrong words.
    """
    verb, *words = sys.argv[1:] if arguments is None else arguments
    return run_verb(words, _WHAT[verb] + _COMMON, lambda words: _VERBS[verb](verb, words))


def _stop(verb: Verb, words: list[str]) -> int:
    asked = parse(words, ("out",), ("--json",), least=1, most=2)
    if len(asked.searches) == 2:
        return _about_trial(verb, words)
    folder, state = open_search(asked.searches[0], asked.out)
    if not is_being_written(folder):
        ended = state.ended.reason if state.ended else "killed"
        raise RefusedError(f"Search {folder} is not running ({ended}).", hint=_how_to_go_on(state))
    return _send(folder, state, Request(verb="stop", session=len(state.sessions) - 1), asked)


def _about_trial(verb: Verb, words: list[str]) -> int:
    asked = parse(words, ("out",), ("--json",), least=2, most=2)
    folder, state = open_search(asked.searches[0], asked.out)
    return _send(folder, state, Request(verb=verb, trial=_number(asked.searches[1], state)), asked)


def _clone(verb: Verb, words: list[str]) -> int:
    named = [word for word in words if not _sets_parameter(word)]
    asked = parse(named, ("out",), ("--json",), least=2, most=2)
    folder, state = open_search(asked.searches[0], asked.out)
    number = _number(asked.searches[1], state)
    config = _config(state, folder)
    space = SearchSpace(config.parameters, config.fixed)
    parse(words, ("out", *space.sampled), ("--json",), least=2, most=2)  # says what is no parameter
    changes = _values([word for word in words if word not in named])
    sampled = cloned_point(space, state.trials[number].proposed.sampled, changes)
    _check_whole(config, space, sampled, len(state.trials))
    return _send(folder, state, Request(verb=verb, trial=number, changes=changes), asked)


def _sets_parameter(word: str) -> bool:
    key, equals, _ = word.partition("=")
    return bool(equals) and "/" not in key and not key.startswith("-") and key not in ("out", "search")


_VERBS: Mapping[str, Callable[[Any, list[str]], int]] = {
    "stop": _stop,
    "pause": _about_trial,
    "resume": _about_trial,
    "clone": _clone,
}


def _number(word: str, state: SearchState) -> int:
    """A trial's number.

    Raises:
        ConfigError: There is no such trial.
    """
    if len(word) < _LONGEST_NUMBER and word.isdecimal() and int(word) in state.trials:
        return int(word)
    count = len(state.trials)
    hint = f"they are numbered 0 to {count - 1}" if count else "it has no trials yet"
    message = f"is not one of its {plural(count, 'trial')}"
    raise ConfigError([Problem(word, message, "after the search", hint)], "command line")


def _values(words: Sequence[str]) -> Params:
    overrides, problems = parse_words(words)
    if problems:
        raise ConfigError(problems, "command line")
    return {str(override.key[0]): override.value for override in overrides}


def _config(state: SearchState, folder: Path) -> SearchConfig:
    assert state.started is not None
    try:
        return SearchConfig.model_validate(state.started.config)
    except ValidationError as error:
        raise RecordError(
            f"{folder} was begun by another version, whose space cannot be read.",
            hint="Clone with the version that began it.",
        ) from error


def _check_whole(config: SearchConfig, space: SearchSpace, sampled: Params, number: int) -> None:
    """Refuses a point whose values do not go together.

    Raises:
        ConfigError: No trial can be trained with it.
    """
    values = space.resolve(sampled, number, config.seed)
    if errors := refusals(TRAINABLES[config.trainable].parameters, values):
        message = f"cannot be trained ({params_text(sampled)}): {errors[0]['msg']}"
        raise ConfigError([Problem("clone", message, "command line")], "command line")


def _send(folder: Path, state: SearchState, request: Request, asked: Words) -> int:
    """Sends a request and says what has come of it; returns the exit code."""
    trial = None if request.trial is None else state.trials[request.trial]
    if trial is not None and trial.finished is not None and request.verb != "clone":
        raise RefusedError(f"Trial {trial.number} has ended: {trial.status}, {trial.finished.reason}.")
    running = is_being_written(folder)
    try:
        send(folder, request)
    except OSError as error:
        raise RecordError(
            f"{folder} cannot be written ({error.strerror}).",
            hint="Run this as the user who runs the search.",
        ) from error
    answered = _wait(folder, request) if running else None
    if answered is not None and not answered.accepted:
        raise RefusedError(_sentence(answered.answer))
    if answered is None and request.trial is None and not is_being_written(folder):
        remove(folder, request.id)
        answered = RequestAnswered(id=request.id, verb=request.verb, answer="the search has ended")
    text = _sentence(answered.answer) if answered else _waits(running, state)
    if answered is not None and request.trial is None:
        text += f" {_how_to_go_on(state)}"
    if "--json" in asked.flags:
        say_json({"id": request.id, "answered": answered is not None, "answer": text})
    else:
        say(text)
    return 0


def _wait(folder: Path, request: Request) -> RequestAnswered | None:
    """The answer in the record; None where it does not come in time, or the search ends without one."""
    reader, until = RecordReader(folder), time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        running = is_being_written(folder)
        for event in reader.read_new():
            if isinstance(event, RequestAnswered) and event.id == request.id:
                return event
        if not running:
            return None
        time.sleep(_LOOK_SECONDS)
    return None


def _waits(running: bool, state: SearchState) -> str:
    if running:
        return "The search has not answered yet, as while it starts; the request waits in its folder."
    return (
        f"The search is not running; the request waits in its folder until it goes on. {_how_to_go_on(state)}"
    )


def _how_to_go_on(state: SearchState) -> str:
    return f"Resume the search with: {state.sessions[-1].command}" if state.sessions else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
