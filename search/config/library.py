"""What can be chosen by name: shipped spaces and presets, files of the user's own, registered parts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

import spaces
from search.config.choices import GUARDS
from search.schedulers import SCHEDULERS
from search.searchers import SEARCHERS
from trainables.data.formats import FORMATS
from trainables.data.sources import user_path
from trainables.nearest import did_you_mean
from trainables.reference import settings
from trainables.specs import TRAINABLES

PRESET_GROUPS = ("model", "task", "capability")
YAML_ENDINGS = (".yaml", ".yml")

_HEADINGS = {
    "space": "Spaces (space=NAME, or space=FILE.yaml)",
    "model": "Models (model=NAME, model=org/name of the hub, or model=FOLDER)",
    "task": "Tasks (task=NAME, task=FILE, or task=org/name of the hub)",
    "task.format": "Forms of data, recognised by their fields (task.format=NAME selects one)",
    "capability": "Capabilities (capability=NAME, or capability=FILE.jsonl)",
    "trainable": "Trainables (trainable=NAME)",
    "searcher": "Searchers (searcher=NAME)",
    "scheduler": "Schedulers (scheduler=NAME)",
    "guards": "Guards, in addition to the one against loss spikes (guards.NAME=VALUE; null switches one off)",
}


def folder() -> Path:
    """The shipped package of spaces."""
    return Path(spaces.__file__).resolve().parent


def shown(path: Path) -> str:
    """A path as messages show it: relative where it lies below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def space_files() -> dict[str, Path]:
    """Shipped spaces, by name."""
    return _files(folder())


def preset_files(group: str) -> dict[str, Path]:
    """Shipped presets of a group, by name."""
    return _files(folder() / group)


def is_path(text: str) -> bool:
    """Whether a name is a path."""
    return text.endswith(YAML_ENDINGS) or os.sep in text or text.startswith(("~", "."))


def find_space(name: str) -> Path | tuple[str, str]:
    """The file of a space, or the message and hint that say why there is none.

    Args:
        name: Name of a shipped space, or a path.
    """
    if not is_path(name):
        shipped = space_files()
        if name in shipped:
            return shipped[name]
        files = [f"{name}{ending}" for ending in YAML_ENDINGS if os.path.isfile(f"{name}{ending}")]
        hint = f"for your own file, write space={files[0]}" if files else did_you_mean(name, shipped)
        return f"there is no space {name!r}", hint
    path = user_path(name)
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        return f"{name} is a folder, not a file", did_you_mean(path.name, _files(path))
    if path.parent == Path() and path.stem in space_files():
        return f"there is no file {name}", f"the shipped space is space={path.stem}"
    siblings = [str(other) for other in _files(path.parent).values()]
    hint = (
        did_you_mean(name, siblings)
        if siblings
        else "check the path; shipped spaces go by name: " + ", ".join(space_files())
    )
    return f"there is no file {name}", hint


def first_comment(path: Path) -> str:
    """The comment on the first line of a file, which describes it."""
    with path.open(encoding="utf-8") as stream:
        line = stream.readline().strip()
    return line.lstrip("# ") if line.startswith("#") else ""


def _files(where: Path) -> dict[str, Path]:
    if not os.path.isdir(where):
        return {}
    return {path.stem: path for path in sorted(where.iterdir()) if path.suffix in YAML_ENDINGS}


def choices() -> dict[str, dict[str, str]]:
    """For each key of the command line, the names that it takes, each with a one-line description."""
    lines = {"space": {name: first_comment(path) for name, path in space_files().items()}}
    for group in PRESET_GROUPS:
        lines[group] = {name: first_comment(path) for name, path in preset_files(group).items()}
    lines["task.format"] = FORMATS.lines()
    lines["trainable"] = TRAINABLES.lines()
    lines["searcher"] = SEARCHERS.lines()
    lines["scheduler"] = SCHEDULERS.lines()
    lines["guards"] = GUARDS.lines()
    for spec in (TRAINABLES[name] for name in TRAINABLES):
        lines |= {key: registry.lines() for key, registry in spec.names.items()}
    lines |= {f"{name}.parameters": _parameter_lines(TRAINABLES[name].parameters) for name in TRAINABLES}
    return lines


def _parameter_lines(model: type[BaseModel]) -> dict[str, str]:
    """By parameter, its default, its range and the first sentence of its meaning."""
    rows = settings(model)
    width = max(len(row.default or "") for row in rows)
    return {
        row.name: f"{row.default or '':<{width}}  {_first_sentence(row.meaning) or row.kind}"
        + (f" ({row.range or row.kind})" if row.range or row.is_choice else "")
        for row in rows
    }


def _first_sentence(text: str) -> str:
    end = re.search(r"[.:;](?: |$)", text)
    return text[: end.start()] if end else text


def listing_text() -> str:
    """The choices for people."""
    listed = choices()
    blocks = [_block(heading, listed[key]) for key, heading in _HEADINGS.items()]
    if broken := TRAINABLES.broken():
        blocks.append(_block("Trainables that are installed and cannot be imported", broken))
    for name, spec in ((name, TRAINABLES[name]) for name in TRAINABLES):
        if extra := [section for section in spec.options.model_fields if section not in PRESET_GROUPS]:
            blocks.append(f"Sections of {name} alone (SECTION.KEY=VALUE)\n  {', '.join(extra)}")
        for key in spec.names:
            blocks.append(_block(f"Values of {key} in {name} ({key}=NAME)", listed[key]))
        blocks.append(_block(f"Baselines of {name} (baselines=[NAME, ...])", spec.baselines))
        head = (
            f"Parameters of {name} (parameters.NAME={{type: ...}} or fixed.NAME=VALUE), with their defaults"
        )
        blocks.append(_block(head, listed[f"{name}.parameters"]))
    return "\n\n".join(blocks)


def _block(heading: str, lines: Mapping[str, str]) -> str:
    width = max(map(len, lines), default=0)
    return "\n".join([heading, *(f"  {name:<{width}}  {line}" for name, line in lines.items())])
