"""The tools whose keys are known, and by which keys a file is recognised."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from search.audit.foreign.file import ForeignFile
from search.audit.foreign.key_map import KeyMap, KeyMapFile
from search.config.library import shown
from search.config.yaml_source import read_file
from search.errors import ConfigError, Problem
from trainables.data.sources import user_path
from trainables.nearest import did_you_mean

_SETTING = "--as"
_SUFFIXES = (".yaml", ".yml")


def tool_files() -> dict[str, Path]:
    """The shipped files of keys, by name of the tool."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "keys").glob("*.yaml"))}


def load_tool(name: str) -> KeyMap:
    """The keys of a tool.

    Args:
        name: Name of a tool, or path of a file of keys.

    Raises:
        ConfigError: There is no such tool, or the file is wrong; carries everything that is.
    """
    if name in tool_files():
        return _load(tool_files()[name], name)
    if name.endswith(_SUFFIXES):
        return _load(user_path(name), user_path(name).stem)
    hint = did_you_mean(name, tool_files())
    raise ConfigError(
        [Problem(_SETTING, f"there is no tool {name!r}", "command line", f"{hint}, or a file of keys")]
    )


@cache
def _load(path: Path, name: str) -> KeyMap:
    label = shown(path)
    source = read_file(path, label, _SETTING)
    if source.data is None:
        raise ConfigError(source.problems)
    read = KeyMapFile(source, name, label)
    keys = read.read()
    base = None
    if keys.extends is not None:
        place = source.places["extends",]
        if keys.extends not in tool_files():
            hint = did_you_mean(str(keys.extends), tool_files())
            read.problems.append(Problem("extends", f"there is no tool {keys.extends!r}", place, hint))
        elif len((base := load_tool(keys.extends)).stages) > 1:
            read.problems.append(Problem("extends", f"{keys.extends} has stages of its own", place))
    if read.problems:
        raise ConfigError(read.problems)
    return keys if base is None else keys.over(base)


def detect(file: ForeignFile) -> tuple[KeyMap, list[str]]:
    """The tool that a file is for, and the keys that say so.

    A tool that extends another has that one's keys too, and counts before it.

    Raises:
        ConfigError: No tool's keys are in it, or those of several.
    """
    tools = {name: load_tool(name) for name in tool_files()}
    seen = {
        name: sorted(key for key in tool.detect if file.get(key) is not None) for name, tool in tools.items()
    }
    matching = {name: keys for name, keys in seen.items() if keys}
    for name in list(matching):
        extended = tools[name].extends
        if extended is not None:
            matching.pop(extended, None)
    if len(matching) == 1:
        ((name, keys),) = matching.items()
        return tools[name], keys
    raise ConfigError([Problem("--file", _unclear(matching), file.shown, f"choose one: {_choices(tools)}")])


def _unclear(matching: dict[str, list[str]]) -> str:
    if not matching:
        return "has none of the keys by which a tool's configuration is known"
    each = (f"{name} ({', '.join(keys)})" for name, keys in matching.items())
    return f"has keys of several tools: {'; '.join(each)}"


def _choices(names: Iterable[str]) -> str:
    return ", ".join(f"--as {name}" for name in names) + ", or --as KEYS.yaml"
