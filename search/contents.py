"""What the model and the data files of a search hold, seen from the driver before anything is started.

Quick digests: they tell that something else lies there, and the workers' own fingerprints, of the tokens and
the weights, have the last word.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.config.origins import dotted
from search.config.schema import SearchConfig
from search.effects import leaves
from trainables import embedded
from trainables.data.sources import EMBEDDED, user_path
from trainables.models.fingerprint import folder_fingerprint
from trainables.settings import HARNESS, ModelConfig

_WHOLE = 64 * 2**20
_EDGE = 2**16
_DIGEST = "sha256:"
_NAME = "name:"
PREFIX = "content."
"""What the keys of the record's fingerprints begin with that are these."""


def contents(config: SearchConfig) -> dict[str, str]:
    """By configuration key, `sha256:` and a digest of what lies there, or `name:` and a name of the hub.

    Of what is larger than 64 MiB only sizes and edges are read. What cannot be read is left out.
    """
    data = config.model_dump(mode="json")
    found = {"model.source": _model(config.options.model)}
    part = config.options.task.split + (f" of {config.options.task.subset}" if config.options.task.subset else "")
    for key, value in leaves(data, ["content"]).items():
        if key[0] != "model" and key[-1] not in ("split", "subset") and value is not None:
            found[dotted(key)] = _data(value, part)
    return {key: value for key, value in found.items() if value is not None}


def changed(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The keys that are known to name something else than they did.

    A file that was a hub's data set before may hold the same: that is for the workers to say.
    """
    return [
        key
        for key in recorded.keys() & now.keys()
        if recorded[key] != now[key] and _kind(recorded[key]) == _kind(now[key])
    ]


def _kind(content: str) -> str:
    return content.partition(":")[0]


def _model(model: ModelConfig) -> str | None:
    if model.prepare is not None:
        return f"{_NAME}{model.prepare}, prepared"
    folder = embedded.model_dir() if model.source == "embedded" else user_path(model.source)
    if not os.path.isdir(folder):
        return f"{_NAME}{model.source}"  # its revision: a branch and its commit are the same
    try:
        return f"{_DIGEST}{folder_fingerprint(folder)}"
    except OSError:
        return None


def _data(source: Any, part: str) -> str | None:
    """Of a file, a folder with its files, several of these, or a name."""
    if isinstance(source, list):
        parts = [_data(one, part) for one in source]
        return None if None in parts else _DIGEST + _sha256("\n".join(map(str, parts)).encode())
    if not isinstance(source, str):
        return None
    path = source.removeprefix(HARNESS)
    place = user_path(path)
    if path.startswith(EMBEDDED):
        place = embedded.data_dir() / path.removeprefix(EMBEDDED)
    try:
        if place.is_dir():
            return f"{_DIGEST}{_folder(place)}"
        if place.is_file():
            return f"{_DIGEST}{_file(place)}"
    except OSError:
        return None
    return f"{_NAME}{source}" + ("" if source.startswith(HARNESS) or "#" in source else f"#{part}")


def _folder(folder: Path) -> str:
    """Of all files but hidden ones; where they are many or large, each by its size and its edges alone."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _hidden(path, folder)]
    whole = _WHOLE if sum(path.stat().st_size for path in files) <= _WHOLE else _EDGE
    found = hashlib.sha256()
    for path in files:
        name = os.fsencode(path.relative_to(folder).as_posix())
        found.update(name + b"\0" + _file(path, whole).encode() + b"\0")
    return found.hexdigest()


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _file(path: Path, whole: int = _WHOLE) -> str:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= whole:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        edges = hashlib.sha256(f"{size}\0".encode() + stream.read(_EDGE))
        stream.seek(-_EDGE, os.SEEK_END)
        edges.update(stream.read(_EDGE))
    return edges.hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
