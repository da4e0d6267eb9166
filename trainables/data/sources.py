"""Where data lie: local files and folders, the embedded data, or a hub data set."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from trainables import embedded
from trainables.data.splits import TRAIN, splits_of
from trainables.errors import UserError
from trainables.own.records import made_records, makes_records

EMBEDDED = "embedded:"
Kind: TypeAlias = Literal["json", "csv", "tsv", "parquet", "text"]
_KINDS: dict[str, Kind] = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "text",
}
ENDINGS = tuple(_KINDS)
_HUB_NAME = re.compile(r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w.-]+))?(?:#(?P<split>.+))?")
_COMPRESSED = (".gz", ".zst", ".zstd", ".xz", ".bz2", ".lz4", ".zip")
_SAVED = ("dataset_info.json", "dataset_dict.json")


@dataclass(frozen=True)
class LocalFile:
    """A file and how it is read.

    Attributes:
        shown: How messages name it.
    """

    path: Path
    format: Kind
    shown: str

    @property
    def packed(self) -> bool:
        """Whether it is compressed by gzip."""
        return self.path.suffix.lower() == ".gz"


@dataclass(frozen=True)
class LocalFiles:
    """Files that are read one after another, at least one; all plain text, or none of them."""

    files: tuple[LocalFile, ...]

    @property
    def text(self) -> bool:
        """Whether they are plain text."""
        return self.files[0].format == "text"


@dataclass(frozen=True)
class HubDataset:
    """A data set of the hub; `config` and `split` as `datasets.load_dataset` takes them."""

    name: str
    config: str | None
    split: str


Source: TypeAlias = LocalFiles | HubDataset


def same_source(source: Source, other: Source) -> bool:
    """Whether both are the same data or share a file, under whatever path; the files must be there."""
    if isinstance(source, LocalFiles) and isinstance(other, LocalFiles):
        return any(os.path.samefile(a.path, b.path) for a in source.files for b in other.files)
    return source == other


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
    path = _place(source, key)
    if not os.path.isfile(path):
        raise UserError(
            f"{key}: there is no file {source!r}.", hint=f"Looked for {path.absolute()}; check the path."
        )
    return path


def locate(source: str | Sequence[str], key: str, split: str, subset: str | None = None) -> Source:
    """Tells local files from a hub data set.

    A hub data set is `name`, `name:config`, `name#split` or `name:config#split`; a folder stands for the
    data files in it; several names are files or folders.

    Args:
        source: As in the configuration.
        key: Configuration key, for messages.
        split: Split of a hub data set whose name gives none.
        subset: Configuration of a hub data set whose name gives none.

    Raises:
        UserError: There is no such file, it is of an unknown kind, or this is no hub name.
    """
    if not isinstance(source, str):
        return _together([_local(name, key) for name in source], key)
    if looks_local(source):
        return _together([_local(source, key)], key)
    match = _HUB_NAME.fullmatch(source)
    if match is None:
        raise UserError(
            f"{key}: {source!r} is neither a file nor the name of a hub data set.",
            hint="Hub data sets are written org/name, org/name:config or org/name:config#split.",
        )
    if subset is not None and match["config"] not in (None, subset):
        raise UserError(
            f"{key}: {source!r} names the configuration {match['config']!r}, and task.subset {subset!r}.",
            hint="Give one of them.",
        )
    return HubDataset(match["name"], match["config"] or subset, match["split"] or split)


def records_folder() -> Path:
    """Where the records are kept that tasks of users make."""
    from trainables.models.preparers import cache_dir

    return cache_dir() / "records"


def looks_local(source: str) -> bool:
    """Whether a name is that of a file or folder rather than of a hub data set."""
    if makes_records(source):
        return True
    path = user_path(source)
    return source.startswith((EMBEDDED, ".", "/", "~")) or _kind(path) is not None or os.path.exists(path)


def kind_of(source: str) -> Kind | None:
    """How a file of this name is read, whether it is there or not; None where its ending is not known."""
    return _kind(user_path(source))


def _place(source: str, key: str) -> Path:
    if not source.startswith(EMBEDDED):
        return user_path(source)
    folder = embedded.data_dir()
    path = folder / source.removeprefix(EMBEDDED)
    if ".." in path.parts or not path.is_relative_to(folder):
        raise UserError(
            f"{key}: {source!r} is outside the folder of the embedded data.", hint="Give the path itself."
        )
    return path


def _kind(path: Path) -> Kind | None:
    name = path.name.lower().removesuffix(".gz")
    kind = _KINDS.get(os.path.splitext(name)[1])
    return None if kind == "parquet" and name != path.name.lower() else kind


def _local(source: str, key: str) -> list[LocalFile]:
    """The files that a name stands for."""
    if makes_records(source):
        return [LocalFile(made_records(source, key, records_folder()), "json", source)]
    path = _place(source, key)
    if os.path.isdir(path):
        return _in_folder(path, source, key)
    kind = _kind(local_path(source, key))
    if kind is None:
        raise UserError(
            f"{key}: {source!r} has an unknown file type.",
            hint=f"Known endings: {', '.join(ENDINGS)}, optionally followed by .gz.",
        )
    return [LocalFile(path, kind, source)]


def _in_folder(folder: Path, shown: str, key: str) -> list[LocalFile]:
    """The data files below a folder, in order of their names; texts where it has nothing else."""
    if any((folder / name).is_file() for name in _SAVED):
        raise UserError(
            f"{key}: {shown!r} was written by save_to_disk, whose format is not supported.",
            hint="Write it with to_json or to_parquet, and give that file.",
        )
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    files = [
        LocalFile(path, kind, str(Path(shown) / path.relative_to(folder)))
        for path in paths
        if (kind := _kind(path)) is not None
    ]
    # A README beside the data is no data.
    chosen = [file for file in files if file.format != "text"] or files
    packed = [path for path in paths if _kind(path) is None and _packed_data(path, texts=chosen == files)]
    if packed:
        raise UserError(
            f"{key}: {str(Path(shown) / packed[0].relative_to(folder))!r} is compressed in a way that is not "
            "read.",
            hint="Unpack it or use gzip (Parquet as it is), or give the files to read instead of the folder.",
        )
    if not chosen:
        raise UserError(
            f"{key}: the folder {shown!r} contains no data files.",
            hint=f"Known endings: {', '.join(ENDINGS)}, optionally followed by .gz.",
        )
    _refuse_splits(chosen, [file.path.relative_to(folder) for file in chosen], shown, key)
    return chosen


def _packed_data(path: Path, *, texts: bool) -> bool:
    """Whether a file is data, by its name, under a compression that is not read."""
    name, ending = os.path.splitext(path.name.lower())
    kind = _KINDS.get(os.path.splitext(name)[1])
    return ending in _COMPRESSED and kind is not None and (texts or kind != "text")


def _refuse_splits(files: Sequence[LocalFile], names: Sequence[Path], shown: str, key: str) -> None:
    """Refuses a folder with the files of several splits, which would be read as one."""
    by_split: dict[str, list[str]] = {}
    splits = splits_of(names)
    for file, split in zip(files, splits, strict=True):
        by_split.setdefault(split or TRAIN, []).append(file.shown)  # training data are often not called so
    # Among texts, one named "testing" may be about that.
    if len(by_split) < 2 or (files[0].format == "text" and TRAIN not in splits):
        return
    listed = "; ".join(f"{split}: {', '.join(named[:3])}" for split, named in by_split.items())
    wanted = by_split.get(TRAIN, next(iter(by_split.values())))
    given = wanted[0] if len(wanted) == 1 else f"[{','.join(wanted[:3])}{',...' if wanted[3:] else ''}]"
    raise UserError(
        f"{key}: the folder {shown!r} has files of several splits ({listed}).",
        hint=f"Give the files that are meant, such as {key}={given}.",
    )


def _together(parts: Sequence[Sequence[LocalFile]], key: str) -> LocalFiles:
    files = tuple(file for part in parts for file in part)
    texts = [file for file in files if file.format == "text"]
    if texts and len(texts) < len(files):
        other = next(file for file in files if file.format != "text")
        raise UserError(
            f"{key}: {texts[0].shown!r} is plain text and {other.shown!r} is not.",
            hint="Give files of the same form.",
        )
    return LocalFiles(files)
