"""Which split of a data set a file holds, by its path. Light: no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TRAIN = "train"
_SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing", "heldout"), "test"),
}
_WORD = re.compile(r"[^\W\d_]+")
_SHARD = re.compile(r"\d+[-_.]of[-_.]\d+(?:-[0-9a-f]{16}$)?")


@dataclass(frozen=True)
class _Name:
    """A path's words.

    Attributes:
        folders: Those of each folder, the outermost first.
        words: Those of the file's name, without its ending and numbers.
    """

    folders: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]

    @property
    def whole(self) -> str | None:
        """The split that the file's whole name says, or that of the folder nearest to it."""
        parts = (self.words, *reversed(self.folders))
        return next((_SPLITS[part[0]] for part in parts if len(part) == 1 and part[0] in _SPLITS), None)

    @property
    def readings(self) -> list[tuple[str, _Name]]:
        """Each split that the file's name has a word for, and the name without that word."""
        return [
            (_SPLITS[word], _Name(self.folders, (*self.words[:place], *self.words[place + 1 :])))
            for place, word in enumerate(self.words)
            if word in _SPLITS
        ]


def splits_of(paths: Sequence[Path]) -> list[str | None]:
    """The split of each file of a folder; None where its path does not say any.

    Words such as "test" and "eval" are ordinary ones too. They say a split where they are the whole name of
    the file or of a folder, where another file has the same name but for them, or where they begin or end a
    name as "train" does another.

    Args:
        paths: The files below the folder.
    """
    names = [_name(path) for path in paths]
    alike: dict[_Name, set[str]] = {name: {""} for name in names}
    for name in names:
        for split, rest in name.readings:
            alike.setdefault(rest, set()).add(split)
    splits = [name.whole or _by_others(name, alike) for name in names]
    begins = any(name.words[1:] and _said(name.words[0]) == TRAIN for name in names)
    ends = TRAIN in splits or any(_said(*name.words[-1:]) == TRAIN for name in names)
    return [
        split or (_said(*name.words[-1:]) if ends else None) or (_said(*name.words[:1]) if begins else None)
        for split, name in zip(splits, names, strict=True)
    ]


def _by_others(name: _Name, alike: Mapping[_Name, Collection[str]]) -> str | None:
    """The split that tells a file from another of the same name, which may say none.

    Args:
        name: The file's.
        alike: What splits the files say whose names are these but for their word; "" for no word.
    """
    for split, rest in name.readings:
        outer = rest.words in (name.words[1:], name.words[:-1])
        if any(other != split and (other or outer) for other in alike.get(rest, ())):
            return split
    return None


def _said(*words: str) -> str | None:
    """The split that a word says, if there is one."""
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)


def _name(path: Path) -> _Name:
    stem = os.path.splitext(path.name.lower().removesuffix(".gz"))[0]
    return _Name(tuple(map(_words, path.parts[:-1])), _words(stem))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_SHARD.sub("", text.lower())))
