"""Where a worker keeps what trials leave behind: in the search's folder, wherever that is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from trainables.contents import files_at
from trainables.serving.checkpoints import drop_old_moments, seal, write_whole, write_whole_file

CHUNK = 32 * 2**20
"""Bytes that travel at once."""

Say = Callable[[str], None]
Write = Callable[[Path], None]


class Storage(Protocol):
    """Keeps folders and files of a search by their names, which are relative to the search's folder."""

    def keep(self, name: str, write: Write) -> None:
        """Has `write` fill a new folder; it is whole, sealed and on disk when this returns."""

    def keep_file(self, name: str, write: Write) -> None:
        """Has `write` make a file; it is whole and on disk when this returns."""

    def reading(self, name: str) -> AbstractContextManager[Path]:
        """A place on this machine at which to read what was kept.

        Raises:
            FileNotFoundError: It is not there.
        """

    def drop_old_moments(self, name: str) -> None:
        """See `trainables.serving.checkpoints.drop_old_moments`."""


class FolderStorage:
    """The search's folder itself, which this machine has or shares.

    Args:
        root: The search's folder.
        say: Called with what whoever watches the search should know.
    """

    def __init__(self, root: Path, say: Say = lambda text: None) -> None:
        self._root = root
        self._say = say

    def keep(self, name: str, write: Write) -> None:
        """See `Storage`."""

        def write_sealed(folder: Path) -> None:
            write(folder)
            seal(folder)

        write_whole(self._root / name, write_sealed, say=self._say)

    def keep_file(self, name: str, write: Write) -> None:
        """See `Storage`."""
        write_whole_file(self._root / name, write, say=self._say)

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """See `Storage`."""
        path = self._root / name
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there")
        yield path

    def drop_old_moments(self, name: str) -> None:
        """See `Storage`."""
        drop_old_moments(self._root / name)


class Line(Protocol):
    """The way to the machine with the search's folder."""

    def keep(self, name: str, parts: Mapping[str, Sequence[Any]]) -> None:
        """Has a folder, or a file under the name "", written there from chunks sent before."""

    def send(self, chunk: bytes) -> Any:
        """Sends a chunk on its way, and returns what stands for it."""

    def listing(self, name: str) -> list[tuple[str, int]] | None:
        """The files of a folder there with their sizes, or "" and the size of a file; None without either."""

    def read(self, name: str, file: str, offset: int) -> bytes:
        """Up to `CHUNK` bytes of a file there."""

    def drop_old_moments(self, name: str) -> None:
        """See `trainables.serving.checkpoints.drop_old_moments`."""


class DistantStorage:
    """The search's folder on another machine, which writes and reads it for this one.

    Args:
        line: To that machine.
        say: Called with what whoever watches the search should know.
    """

    def __init__(self, line: Line, say: Say = lambda text: None) -> None:
        self._line = line
        self._say = say

    def keep(self, name: str, write: Write) -> None:
        """See `Storage`."""
        with _scratch() as scratch:
            FolderStorage(scratch, self._say).keep("kept", write)
            self._send(name, scratch / "kept")

    def keep_file(self, name: str, write: Write) -> None:
        """See `Storage`."""
        with _scratch() as scratch:
            FolderStorage(scratch, self._say).keep_file("kept", write)
            self._send(name, scratch / "kept")

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """See `Storage`; a copy that is removed afterwards."""
        with _scratch() as scratch:
            copy_here(self._line, name, scratch / "copy")
            yield scratch / "copy"

    def drop_old_moments(self, name: str) -> None:
        """See `Storage`."""
        self._line.drop_old_moments(name)

    def _send(self, name: str, path: Path) -> None:
        parts = {}
        for file in files_at(path):
            with file.open("rb") as stream:
                chunks = [self._line.send(chunk) for chunk in iter(lambda: stream.read(CHUNK), b"")]
            parts["" if file == path else file.relative_to(path).as_posix()] = chunks
        self._line.keep(name, parts)


def copy_here(line: Line, name: str, to: Path, on_bytes: Callable[[int, int], None] | None = None) -> None:
    """Copies what lies under a name at the other end to a path of this machine.

    Args:
        line: To the other machine.
        name: Of a file or folder there.
        to: Must not be there yet.
        on_bytes: Called with the bytes copied so far, and with those of all.

    Raises:
        FileNotFoundError: It is not there.
        OSError: This machine's disk refuses.
    """
    listing = line.listing(name)
    if listing is None:
        raise FileNotFoundError(f"{name} is not there")
    done, total = 0, sum(size for _, size in listing)
    if [file for file, _ in listing] != [""]:
        to.mkdir()
    for file, size in listing:
        place = to / file if file else to
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as stream:
            while (at := stream.tell()) < size:
                chunk = line.read(name, file, at)
                if not chunk:
                    raise FileNotFoundError(f"{name} became shorter while it was read")
                stream.write(chunk)
                done += len(chunk)
                if on_bytes is not None:
                    on_bytes(done, total)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tightrope-") as folder:
        yield Path(folder)
