"""Python files of users: none runs that the command line does not allow."""

from __future__ import annotations

from collections.abc import Iterator

from search.config.checks import parts
from search.config.composed import Composed
from search.config.origins import COMMAND_LINE, Key
from trainables.evaluation.metrics import METRICS
from trainables.own.code import Named, allow_only, is_allowed, named_in, problem_with, refusal
from trainables.own.functions import METRIC_FUNCTIONS
from trainables.settings import CapabilityConfig, TaskConfig

_OTHERS = (
    *("train_loss", "train_loss_curve", "retention"),
    *("rung", "seconds", "train_seconds", "eval_seconds", "front_eval_seconds", "tokens", "padding", "pack"),
)
"""Names that are not registered as metrics, and that the record or a trial's run in MLflow has."""
_BOUNDS = ("_low", "_high")
"""How the names of an interval's bounds end in MLflow."""


def check_code(composed: Composed) -> None:
    """Each named file must be allowed, and define the function; allows them, and no others, to this process.

    It comes before whatever reads the data, which may run such a file.
    """
    allow_only(_allowed(composed))
    for key, source in _sources(composed):
        named = named_in(source)
        if named is None or composed.is_broken(key):
            continue
        if (problem := problem_with(named)) is not None:
            composed.complain(key, *problem)
        elif not is_allowed(named):
            _refuse(composed, key, named)
    _check_names(composed)


def _allowed(composed: Composed) -> list[str]:
    given = composed.data.get("allow_code")
    files = [given] if isinstance(given, str) else given
    if not (isinstance(files, list) and files and all(isinstance(file, str) for file in files)):
        return []
    if not composed.origins.of(("allow_code",)).startswith(COMMAND_LINE):
        message = "can be given on the command line only: a file must not allow itself to run code"
        composed.complain(("allow_code",), message, f"remove it, and add --allow-code {files[0]}")
        return []
    return files


def _refuse(composed: Composed, key: Key, named: Named) -> None:
    message, hint = refusal(named, "")
    composed.complain(key, message.removeprefix(": ").rstrip("."), hint[:1].lower() + hint[1:].rstrip("."))


def _sources(composed: Composed) -> Iterator[tuple[Key, str]]:
    task = parts.section(composed, "task", TaskConfig)
    for name in ("train", "heldout"):
        given = task.get(name)
        for source in given if isinstance(given, list) else [given]:
            if isinstance(source, str):
                yield ("task", name), source
    capability = parts.section(composed, "capability", CapabilityConfig)
    if isinstance(general := capability.get("general_text"), str):
        yield ("capability", "general_text"), general
    for index, metric in _metrics(composed):
        if isinstance(source := metric.get("source"), str):
            yield ("capability", "metrics", index, "source"), source


def _metrics(composed: Composed) -> Iterator[tuple[int, dict[str, object]]]:
    capability = parts.section(composed, "capability", CapabilityConfig)
    yield from parts.mappings_in(capability.get("metrics")).items()


def _check_names(composed: Composed) -> None:
    """Names that something else has, and installed metrics that are not there."""
    seen: set[object] = {*METRICS, *_OTHERS}
    skills = tuple(f"{skill.name}_" for skill in parts.skills(composed).values())
    for index, metric in _metrics(composed):
        name, source = metric.get("name"), metric.get("source")
        key: Key = ("capability", "metrics", index)
        if name in seen or (skills and isinstance(name, str) and name.startswith(skills)):
            composed.complain((*key, "name"), f"{name!r} is the name of another metric", "choose another one")
        elif isinstance(name, str) and name.endswith(_BOUNDS):
            message = f"{name!r} ends as the names of bounds do: {' and '.join(_BOUNDS)}"
            composed.complain((*key, "name"), message, "choose another one")
        seen.add(name)
        if isinstance(source, str) and named_in(source) is None and source not in METRIC_FUNCTIONS:
            message = f"there is no installed metric {source!r}{METRIC_FUNCTIONS.suggestion(source)}"
            composed.complain((*key, "source"), message, "or name a function: FILE.py:FUNCTION")
