"""The spaces and presets that are shipped, and files of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

import spaces
from search.config.nearest import did_you_mean
from trainables.data.sources import user_path

PRESET_GROUPS = ("model", "task", "capability")
YAML_ENDINGS = (".yaml", ".yml")


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
    """Whether a name is meant as a file's."""
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
        own = [f"{name}{ending}" for ending in YAML_ENDINGS if os.path.isfile(f"{name}{ending}")]
        hint = f"for your own file write space={own[0]}" if own else did_you_mean(name, shipped)
        return f"there is no space {name!r}", hint
    path = user_path(name)
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        return f"{name} is a folder, not a file", did_you_mean(path.name, _files(path))
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
