"""From the words of a command line to a valid configuration, with every problem and not just the first."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from search.config.checks import check, parts
from search.config.compose import compose
from search.config.composed import Composed
from search.config.foreign import is_foreign, meant_parameter
from search.config.known import unknown_key
from search.config.origins import DEFAULT, Key, Origins, dotted
from search.config.schema import SearchConfig
from search.config.wording import QUOTES, WHOLE, config_error, describe
from search.guards import idle_guards
from search.naming import under_earlier_name
from trainables.nearest import distance

_ROUNDS = 4
_NAMED = (("searcher",), ("scheduler",))
# Sections that no single word can choose.
_KEYED = {
    "budget",
    "parameters",
    "fixed",
    "hypotheses",
    "confirm",
    "limits",
    "guards",
    "workers",
    "tracking",
    "audit",
}
# What a configuration without its space's file has anyhow.
_FOLLOWS = ("missing", "too_short", "union_tag_not_found", "tuple_type", "list_type")


@dataclass(frozen=True)
class Resolved:
    """A valid configuration, where its values came from, and notes for the user."""

    config: SearchConfig
    origins: Origins
    notes: tuple[str, ...] = ()


def load_config(words: Sequence[str]) -> Resolved:
    """Composes and validates the configuration that the words of a command line ask for.

    Args:
        words: `key=value` words, `space=...` among them.

    Raises:
        ConfigError: With every problem there is.
        RecordError: The record of a search that may have begun under an earlier name is damaged.
    """
    return _load(words, resume=True)


def _load(words: Sequence[str], *, resume: bool) -> Resolved:
    composed = compose(words, resume=resume)
    if composed.is_broken(("trainable",)):
        raise config_error(composed.problems)
    spec = parts.trainable(composed)
    config = validate(composed, list(spec.parameters.model_fields) if spec else [])
    check(composed)
    if config is None or composed.problems:
        raise config_error(composed.problems)
    notes = composed.notes
    if composed.space_name is not None:
        config, passed_over = under_earlier_name(config, composed.space_name)
        if passed_over and composed.as_recorded:
            return _load(words, resume=False)
        notes += passed_over
    return Resolved(config, composed.origins, (*notes, *_idle_guards(config, composed.origins)))


def _idle_guards(config: SearchConfig, origins: Origins) -> Iterator[str]:
    """Says of guards that were asked for, and have nothing to guard, that they are idle.

    What is as by default was not asked for: a configuration that is shown has every default.
    """
    defaults = type(config.guards)()
    for name in idle_guards(config):
        where, value = origins.of_value(("guards", name)), getattr(config.guards, name)
        if where != DEFAULT and value != getattr(defaults, name):
            yield f"guards.{name}={value} ({where}) has no effect: what it needs is not measured here."


def validate(composed: Composed, trainable_parameters: Sequence[str]) -> SearchConfig | None:
    """Validates strictly (no text for a number, no number for text), and adds what is wrong.

    pydantic does not check a section as a whole while it holds an unknown key. Unknown keys are therefore
    removed and the rest is validated again, so that swapped bounds, for example, show up at once.

    Args:
        composed: The data; problems are added to it, and unknown keys are taken out.
        trainable_parameters: Names of the trainable's parameters, for hints.

    Returns:
        The configuration, or None where the schema refuses it.
    """
    data = copy.deepcopy(composed.data)
    refused: dict[Key, list[ErrorDetails]] = {}
    for _ in range(_ROUNDS):
        try:
            config = composed.model.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            unknown = _collect(error, data, refused)
            for key in unknown:
                composed.complain(key, *unknown_key(key, composed.data, trainable_parameters))
                _delete(data, key)
            if not unknown:
                break
        else:
            if not refused and not composed.problems:
                return config
            break
    composed.data = data
    for key, errors in refused.items():
        _complain(composed, key, errors)
    return None


def _collect(error: ValidationError, data: Any, known: dict[Key, list[ErrorDetails]]) -> list[Key]:
    """Sorts new errors into `known` by key; returns the unknown keys."""
    unknown: list[Key] = []
    fresh: dict[Key, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        key = _key(details, data)
        if details["type"] == "extra_forbidden":
            unknown.append(key)
        elif not _is_echo(details):
            fresh.setdefault(key, []).append(details)
    for key, errors in fresh.items():
        known.setdefault(key, errors)
    return unknown


def _word(key: Key) -> str:
    """How the command line gives a value to `key`."""
    return f"{dotted(key)}.KEY=VALUE" if len(key) == 1 and key[0] in _KEYED else f"{dotted(key)}=VALUE"


def _complain(composed: Composed, key: Key, errors: list[ErrorDetails]) -> None:
    kind = errors[0]["type"]
    if composed.is_broken(key) or (composed.incomplete and kind in _FOLLOWS):
        return
    if kind == "union_tag_invalid" and key in _NAMED and _is_name(errors[0]["input"]["name"]):
        return  # said, with the names there are, by the check of names
    if kind == "missing" and _is_misspelt(composed, key):
        return
    message, hint = describe(errors)
    if kind == "missing":
        where = "that section" if len(key) > 1 else "the space"
        hint = f"add it to {where}, or {_word(key)} on the command line"
    if kind in WHOLE and key[0] in _KEYED and composed.origins.of(key).startswith("command line"):
        hint = f"write {_word(key)}"
    if len(key) == 2 and key[0] == "parameters" and (kind in WHOLE or kind.startswith("union_tag")):
        hint = meant_parameter(str(key[1]), errors[0]["input"]) or hint
    if kind.startswith("union_tag"):
        key = (*key, "name" if key in _NAMED else "type")
    elif kind == "value_error" and isinstance(errors[0]["input"], dict):
        key = (*key, *_named_first(message, errors[0]["input"]))
    if hint == QUOTES and composed.origins.of(key).startswith("command line"):
        hint = f"the shell removes quotes: {dotted(key)}='\"{errors[0]['input']}\"'"
    composed.complain(key, message, hint)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_misspelt(composed: Composed, key: Key) -> bool:
    """Whether a missing key was given under another tool's name, or misspelt."""
    siblings = [other for other in composed.broken if len(other) == len(key) and other[:-1] == key[:-1]]
    if key[0] == "parameters" and any(is_foreign(str(other[-1])) for other in siblings):
        return True
    return any(distance(str(other[-1]).lower(), str(key[-1]).lower()) <= 1 for other in siblings)


def _key(details: ErrorDetails, data: Any) -> Key:
    """The path in the data, without the names of union members that pydantic inserts."""
    key: list[str | int] = []
    node = data
    last = len(details["loc"]) - 1
    for index, part in enumerate(details["loc"]):
        if _holds(node, part):
            node = node[part]
        elif not (index == last and details["type"] == "missing"):
            continue
        key.append(part)
    return tuple(key)


def _holds(node: Any, part: str | int) -> bool:
    if isinstance(node, dict):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and part < len(node)


def _is_echo(details: ErrorDetails) -> bool:
    """A list that pydantic calls too short because each of its items was refused."""
    return details["type"] == "too_short" and bool(details["input"])


def _named_first(message: str, section: dict[str, Any]) -> tuple[str, ...]:
    """The key of a section that a message about the section names first."""
    return next(((word,) for word in re.findall(r"\w+", message) if word in section), ())


def _delete(data: Any, key: Key) -> None:
    for part in key[:-1]:
        data = data[part]
    del data[key[-1]]
