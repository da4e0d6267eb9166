"""Reads and writes the search's folder, and the inputs of a search, for workers on other machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from trainables.contents import files_at
from trainables.serving.checkpoints import drop_old_moments, write_whole, write_whole_file
from trainables.serving.storage import CHUNK


class Depot:
    """The other end of `trainables.serving.storage.Line`.

    Args:
        folder: The search's folder.
        inputs: Paths of this machine that workers may read.
        get: Returns the bytes of a chunk that was sent.
        say: Called with what whoever watches the search should know.
    """

    def __init__(
        self,
        folder: Path,
        inputs: Collection[str] = (),
        get: Callable[[Any], bytes] = bytes,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._folder = folder
        self._inputs = frozenset(inputs)
        self._get = get
        self._say = say

    def keep(self, name: str, parts: Mapping[str, Sequence[Any]]) -> None:
        """Writes a folder, or a file under the name "", whole or not at all; waits where storage refuses.

        Raises:
            ValueError: The name leaves the search's folder.
        """
        final = self._inside(name)
        if set(parts) == {""}:
            write_whole_file(final, lambda path: self._write(path, parts[""]), say=self._say)
        else:
            write_whole(final, lambda path: self._fill(path, parts), say=self._say)

    def listing(self, name: str) -> list[tuple[str, int]] | None:
        """See `Line`."""
        path = self._readable(name)
        if path.is_file():
            return [("", path.stat().st_size)]
        if not path.is_dir():
            return None
        return [(file.relative_to(path).as_posix(), file.stat().st_size) for file in files_at(path)]

    def read(self, name: str, file: str, offset: int) -> bytes:
        """See `Line`.

        Raises:
            ValueError: The file is not below what the name stands for.
            OSError: It cannot be read.
        """
        path = self._readable(name)
        with (_below(path, file) if file else path).open("rb") as stream:
            stream.seek(offset)
            return stream.read(CHUNK)

    def drop_old_moments(self, name: str) -> None:
        """See `Line`."""
        drop_old_moments(self._inside(name))

    def _fill(self, folder: Path, parts: Mapping[str, Sequence[Any]]) -> None:
        for file, chunks in parts.items():
            path = _below(folder, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, chunks)

    def _write(self, path: Path, chunks: Sequence[Any]) -> None:
        with path.open("wb") as stream:
            for chunk in chunks:
                stream.write(self._get(chunk))

    def _readable(self, name: str) -> Path:
        return Path(name) if name in self._inputs else self._inside(name)

    def _inside(self, name: str) -> Path:
        return _below(self._folder, name)


def _below(folder: Path, name: str) -> Path:
    """The path of a name below a folder.

    Raises:
        ValueError: It is elsewhere.
    """
    relative = PurePosixPath(name)
    if not name or relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"{name!r} is not below {folder}")
    return folder / relative
