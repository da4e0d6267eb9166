"""The command line of `python -m search.simulate`: a recorded search, and what to change."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.checks.names import check_names
from search.config.compose import take_trainable
from search.config.composed import Composed
from search.config.load import validate
from search.config.origins import everywhere
from search.config.overrides import GROUPS, Override, entry, parse_words
from search.config.schema import SearchConfig, config_model, trainable_of
from search.config.sections import choose
from search.config.wording import config_error
from search.errors import Problem, RecordError
from search.judging.rungs import is_by_trial
from search.record import SearchState
from search.recorded import NoSearchError, open_search
from trainables.nearest import did_you_mean

OWN = ("search", "workers", "seeds")
CHANGEABLE = ("scheduler", "searcher", "budget", "guards", "objectives", "limits", "trials", "seed")
_WHOLE = {"workers": "workers", "seeds": "simulated searches"}
_MOST = 10_000


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        folder: The recorded search's.
        recorded: What it recorded.
        base: Its configuration, in the present schema.
        config: The same with the changes.
        changed: The words that change it, as they were given.
        own_searcher: Whether the configured searcher proposes; otherwise the recorded configurations come as
            they were recorded.
        workers: Simulated workers.
        seeds: Number of simulated searches.
    """

    folder: Path
    recorded: SearchState
    base: SearchConfig
    config: SearchConfig
    changed: tuple[str, ...]
    own_searcher: bool
    workers: int
    seeds: int


def read_options(words: Sequence[str], known: Sequence[Problem] = ()) -> Options:
    """Reads the record and applies the words to its configuration.

    Args:
        words: `key=value` words.
        known: What is wrong with the rest of the command line.

    Raises:
        ConfigError: With every problem there is.
        RecordError: The record is damaged.
    """
    overrides, problems = parse_words(words)
    problems += known
    ours = {str(override.key[0]): override for override in overrides if override.key[0] in OWN}
    changes = [override for override in overrides if override.key[0] not in OWN]
    opened = _read_record(ours.get("search"), problems)
    state = None if opened is None else opened[1]
    numbers = {name: _whole(ours.get(name), what, problems) for name, what in _WHOLE.items()}
    known_keys = config_model(trainable_of(_config_of(state))).model_fields
    problems += [
        Problem(
            str(override.key[0]),
            "cannot be changed in a simulation",
            override.where,
            _hint(str(override.key[0]), known_keys),
        )
        for override in changes
        if override.key[0] not in CHANGEABLE
    ]
    if opened is None or state is None:
        raise config_error(problems)
    base = _base(state)
    composed = Composed(data=base.model_dump(mode="json"), problems=problems, trainable=base.trainable)
    for change in changes:
        if change.key[0] in CHANGEABLE:
            _apply(composed, change)
    config = validate(composed, [])
    check_names(composed)
    _check_trials(composed, state.searched)
    if config is not None:
        _check_recorded(composed, config, state)
    if config is None or composed.problems:
        raise config_error(composed.problems)
    return Options(
        folder=opened[0],
        recorded=state,
        base=base,
        config=config,
        changed=tuple(word for word in words if word.split("=")[0].split(".")[0] in CHANGEABLE),
        own_searcher=any(change.key[0] == "searcher" for change in changes),
        workers=numbers["workers"] or (state.slots.groups if state.slots else 1),
        seeds=numbers["seeds"] or 1,
    )


def _config_of(state: SearchState | None) -> Mapping[str, Any]:
    return {} if state is None or state.started is None else state.started.config


def _hint(name: str, known: Container[str]) -> str:
    names = (*OWN, *CHANGEABLE)
    near = did_you_mean(name, names)
    if name in known and near.startswith("there are"):
        return f"the recorded curves depend on it; {near}"
    return near


def _read_record(word: Override | None, problems: list[Problem]) -> tuple[Path, SearchState] | None:
    """The folder and the state of the search that is given; None where there is none to simulate."""
    if word is None or len(word.key) > 1:
        problems.append(
            Problem("search", "is missing", "command line", "add search=SEARCH, for example search=runs/demo")
        )
        return None
    try:
        folder, state = open_search(str(word.value))
    except NoSearchError as error:
        problems.append(Problem("search", error.message, word.where, error.hint))
        return None
    if not any(trial.measured for trial in state.trials.values()):
        problems.append(
            Problem("search", "has no measured trial yet", word.where, "wait until it has one, or run it")
        )
        return None
    return folder, state


def _whole(word: Override | None, what: str, problems: list[Problem]) -> int | None:
    if word is None:
        return None
    if len(word.key) == 1 and type(word.value) is int and 1 <= word.value <= _MOST:
        return word.value
    problems.append(
        Problem(
            ".".join(map(str, word.key)),
            f"must be a number of {what} from 1 to {_MOST:,}",
            word.where,
            f"for example {word.key[0]}=4",
        )
    )
    return None


def _base(state: SearchState) -> SearchConfig:
    """The recorded configuration in the present schema, for as many trials as were recorded.

    Nothing is confirmed: curves for new seeds are not recorded.

    Raises:
        RecordError: It is not valid any more.
        ConfigError: Its trainable is not there.
    """
    first = Composed(data=json.loads(json.dumps(_config_of(state))))
    take_trainable(first, first.data.get("trainable"), "the record")
    if first.problems:
        raise config_error(first.problems)
    config = validate(first, [])
    if config is None:  # an older record: `first` has been rid of keys that are not known any more
        second = Composed(data=first.data, trainable=first.trainable)
        config = validate(second, [])
        if config is None:
            raise RecordError(
                f"The recorded configuration is not valid in this version: {second.problems[0]}"
            )
    confirm = config.confirm.model_copy(update={"candidates": 0})
    return config.model_copy(update={"confirm": confirm, "trials": state.searched, "warm_start": None})


def _apply(composed: Composed, change: Override) -> None:
    """Sets one value; sections on the way are those of the recorded configuration."""
    value = change.value
    if change.chooses and change.key[0] in GROUPS:
        value = choose(str(change.key[0]), value, everywhere(value, change.where)).data
    node: Any = composed.data
    for part in change.key[:-1]:
        if _wrong_entry(composed, change, node, part):
            return
        node = node[int(part)] if isinstance(node, list) else node.get(part)
    last = change.key[-1]
    if not _wrong_entry(composed, change, node, last):
        node[int(last) if isinstance(node, list) else last] = value
        composed.origins.replace(change.key, everywhere(value, change.where))


def _wrong_entry(composed: Composed, change: Override, node: Any, part: str | int) -> bool:
    """Whether `node` can have no such entry, which is then complained of."""
    if isinstance(node, list) and entry(part, len(node)) is None:
        hint = f"its entries are 0 to {len(node) - 1}"
        composed.complain(change.key, "is not an entry of this list", hint, change.where)
        return True
    if not isinstance(node, dict | list):
        composed.complain(change.key, "is not a known key", None, change.where)
        return True
    return False


def _check_trials(composed: Composed, recorded: int) -> None:
    trials = composed.data["trials"]
    if type(trials) is int and trials > recorded:
        composed.complain(("trials",), f"is more than the {recorded} that were recorded")


def _check_recorded(composed: Composed, config: SearchConfig, state: SearchState) -> None:
    """Refuses objectives that the search has not recorded."""
    assert state.started is not None
    measured = [rung for trial in state.trials.values() for rung in trial.rungs]
    steps = sorted({rung.step for rung in measured})
    recorded = f"the recorded steps are {', '.join(map(str, steps))}"
    if is_by_trial(state):
        message = "gives each trial its own number of steps, which cannot be simulated"
        composed.complain(("search",), message, "choose a search whose budget.steps is a number")
        return
    full: int = state.started.config["budget"]["steps"]
    if config.budget.full_steps != full:
        message = f"must stay {full}: the learning-rate schedule, and with it the curves, depends on it"
        composed.complain(("budget", "steps"), message)
    elif config.budget.epochs != state.started.config["budget"].get("epochs"):
        message = f"cannot be changed: {full} steps were recorded, and the curves depend on them"
        composed.complain(("budget", "epochs"), message)
    elif missing := sorted(set(config.budget.rung_steps) - set(steps)):
        rungs = ", ".join(map(str, config.budget.rung_steps))
        message = f"gives rungs at steps {rungs}; nothing was measured at {', '.join(map(str, missing))}"
        composed.complain(("budget", "rungs"), message, recorded)
    metrics = sorted({name for rung in measured for name in rung.metrics})
    for index, objective in enumerate(config.objectives):
        if objective.metric not in metrics:
            message = f"{objective.metric!r} was not recorded"
            composed.complain(
                ("objectives", index, "metric"), message, did_you_mean(objective.metric, metrics)
            )
