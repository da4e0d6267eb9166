"""Sections chosen by name: `model=smollm2`, `task=my.jsonl`, `searcher=random`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from search.config.library import PRESET_GROUPS, is_path, preset_files, shown
from search.config.origins import Key, everywhere
from search.config.values import uri_problem
from search.config.yaml_source import read_file
from search.errors import Problem
from trainables.data.lines import first_record
from trainables.data.sources import ENDINGS, looks_local, user_path
from trainables.evaluation.questions.items import offers_options
from trainables.nearest import did_you_mean
from trainables.settings import HARNESS

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass
class Section:
    """A section's data.

    Attributes:
        data: As in the schema, or None where the choice is wrong.
        places: Place of each key, relative to the section.
        problems: Why the choice is wrong.
    """

    data: Any = None
    places: dict[Key, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def choose(group: str, value: Any, places: dict[Key, str]) -> Section:
    """Builds a section from what a space file or the command line gives for it.

    A name is a preset's, a registered searcher's or scheduler's, a hub id, or a path. A mapping is the
    section itself; its key `preset` names a preset that its other keys override.

    Args:
        group: "model", "task", "capability", "searcher", "scheduler" or "warm_start".
        value: What is given.
        places: Place of `value` under the key `()`, and of what lies in it.
    """
    where = places[()]
    if isinstance(value, dict) and group in PRESET_GROUPS and "preset" in value:
        name = value["preset"]
        overriding = {key: inner for key, inner in value.items() if key != "preset"}
        if not isinstance(name, str):
            return _wrong(f"{group}.preset", "is not a name", places.get(("preset",), where), _presets(group))
        base = _by_name(group, name, places.get(("preset",), where), f"{group}.preset", may_be_path=False)
        if base.data is None:
            return base
        kept = {key: place for key, place in places.items() if key and key[0] != "preset"}
        return Section({**base.data, **overriding}, {**base.places, **kept}, base.problems)
    if group == "task":
        value, places = _named_task(value, places)
    if not isinstance(value, str):
        return Section(value, dict(places))
    if group not in PRESET_GROUPS:
        data = {"search" if group == "warm_start" else "name": value}
        return Section(data, everywhere(data, where))
    return _by_name(group, value, where, group, may_be_path=True)


def _by_name(group: str, name: str, where: str, key: str, *, may_be_path: bool) -> Section:
    presets = preset_files(group)
    if name in presets:
        source = read_file(presets[name], shown(presets[name]), key, (group,))
        return Section(source.data, source.places, source.problems)
    if may_be_path and (problem := uri_problem(name)) is not None:
        return _wrong(key, problem[0], where, problem[1])
    section = _FROM_PATH[group](name) if may_be_path else None
    if section is None:
        forms = _FORMS[group] if may_be_path else ""
        return _wrong(key, f"{name!r} is not a preset{forms}", where, _presets(group, name))
    return Section(section, everywhere(section, where))


def _model(name: str) -> dict[str, Any] | None:
    path = user_path(name)
    if os.path.isdir(path) or _HUB_ID.fullmatch(name) or is_path(name):
        return {"name": path.name or name, "source": name}
    return None


def _task(name: str) -> dict[str, Any] | None:
    path = user_path(name)
    if "://" in name or not (looks_local(name) or _HUB_ID.fullmatch(name) or is_path(name)):
        return None
    return {"name": path.name.removesuffix(".gz").rsplit(".", 1)[0] or name, "train": name}


def _named_task(value: Any, places: dict[Key, str]) -> tuple[Any, dict[Key, str]]:
    """Names a task after its first file where it has files and no name."""
    if isinstance(value, list):
        value, places = {"train": value}, {(): places[()], ("train",): places[()]}
    if not isinstance(value, dict) or "name" in value:
        return value, places
    train = value.get("train")
    first = train[0] if isinstance(train, list) and train else train
    task = _task(first) if isinstance(first, str) else None
    if task is None:
        return value, places
    where = places.get(("train",), places[()])
    return {"name": task["name"], **value}, {**places, ("name",): where}


def _capability(name: str) -> dict[str, Any] | None:
    if name.startswith(HARNESS):
        task = user_path(name.removeprefix(HARNESS))
        stem = task.stem if task.suffix in (".yaml", ".yml") else task.name
        return {"skills": [{"name": _skill(stem), "path": name, "scoring": ["harness"]}]}
    path = user_path(name)
    if path.suffix not in ENDINGS and not os.path.isfile(path):
        return None
    choice = offers_options(first_record(name) or {})
    scoring = ["generation", "likelihood"] if choice else ["generation"]
    return {"skills": [{"name": _skill(path.stem), "path": name, "scoring": scoring}]}


def _skill(text: str) -> str:
    """A name for a skill that can be part of a metric's name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)[:60]
    return name if name[:1].isalpha() else f"skill_{name}"


_FORMS = {
    "model": ", a hub id (org/name) or a folder",
    "task": ", a file or a hub data set (org/name)",
    "capability": ", a file or a task lm_eval:<task>",
}
_FROM_PATH: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "model": _model,
    "task": _task,
    "capability": _capability,
}


def _presets(group: str, name: str = "") -> str:
    return did_you_mean(name, preset_files(group))


def _wrong(key: str, message: str, where: str, hint: str) -> Section:
    return Section(problems=[Problem(key, message, where, hint)])
