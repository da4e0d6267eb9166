"""Where data lie: a local file, the embedded data, or a hub data set."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainables import embedded
from trainables.errors import UserError

EMBEDDED = "embedded:"
_FORMATS: dict[str, Literal["json", "parquet", "text"]] = {
    ".jsonl": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "text",
}
_HUB_NAME = re.compile(r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w.-]+))?(?:#(?P<split>.+))?")


@dataclass(frozen=True)
class LocalFile:
    """A file and how it is read."""

    path: Path
    format: Literal["json", "parquet", "text"]


@dataclass(frozen=True)
class HubDataset:
    """A data set of the hub; `config` and `split` as `datasets.load_dataset` takes them."""

    name: str
    config: str | None
    split: str


def same_source(one: LocalFile | HubDataset, other: LocalFile | HubDataset) -> bool:
    """Whether both are the same data, under whatever path; the files must be there."""
    if isinstance(one, LocalFile) and isinstance(other, LocalFile):
        return os.path.samefile(one.path, other.path)
    return one == other


def user_path(text: str) -> Path:
    """A path with `~` and `~user` for home folders, and as it is where there is no such user.

    `os.path` answers where `pathlib` raises: for names that no file can have as well.
    """
    return Path(os.path.expanduser(text))


def local_path(source: str, key: str) -> Path:
    """The existing local file that `source` names; `embedded:<file>` is a file of the embedded data.

    Args:
        source: Path, with `~` for the home folder, or `embedded:<file>`.
        key: Configuration key, for the message.

    Raises:
        UserError: There is no such file.
    """
    if source.startswith(EMBEDDED):
        folder = embedded.data_dir()
        path = folder / source.removeprefix(EMBEDDED)
        if ".." in path.parts or not path.is_relative_to(folder):
            raise UserError(
                f"{key}: {source!r} leaves the folder of the embedded data.", hint="Give the path itself."
            )
    else:
        path = user_path(source)
    if not os.path.isfile(path):
        raise UserError(
            f"{key}: there is no file {source!r}.", hint=f"Looked for {path.absolute()}; check the path."
        )
    return path


def locate(source: str, key: str, split: str) -> LocalFile | HubDataset:
    """Tells a local file from a hub data set.

    A hub data set is `name`, `name:config`, `name#split` or `name:config#split`.

    Args:
        source: As in the configuration.
        key: Configuration key, for messages.
        split: Split of a hub data set whose name gives none.

    Raises:
        UserError: There is no such file, it is of an unknown kind, or this is no hub name.
    """
    path = user_path(source)
    looks_local = (
        source.startswith((EMBEDDED, ".", "/", "~")) or path.suffix in _FORMATS or os.path.exists(path)
    )
    if looks_local:
        path = local_path(source, key)
        if path.suffix not in _FORMATS:
            raise UserError(
                f"{key}: {source!r} is of no known kind.",
                hint=f"Known endings: {', '.join(sorted(_FORMATS))}.",
            )
        return LocalFile(path, _FORMATS[path.suffix])
    match = _HUB_NAME.fullmatch(source)
    if match is None:
        raise UserError(
            f"{key}: {source!r} is neither a file nor the name of a hub data set.",
            hint="Hub data sets are written org/name, org/name:config or org/name:config#split.",
        )
    return HubDataset(match["name"], match["config"], match["split"] or split)
