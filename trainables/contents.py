"""What lies at a path, by its content: the files that belong to it, and a digest. Light: no torch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

WHOLE = 64 * 2**20
"""Bytes up to which a file, or a folder, is read whole for its digest."""
_EDGE = 2**16


def files_at(path: Path) -> list[Path]:
    """A file alone, or all files below a folder but hidden ones, in order of their names."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    return [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file, path)]


def path_digest(path: Path) -> str | None:
    """SHA-256 of a file, or of a folder's files with their names; None where there is neither.

    Of what is larger than 64 MiB, of a folder in all, only the size and the edges of each file are read.

    Raises:
        OSError: It cannot be read.
    """
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        return None
    files = files_at(path)
    whole = WHOLE if sum(file.stat().st_size for file in files) <= WHOLE else _EDGE
    digest = hashlib.sha256()
    for file in files:
        name = os.fsencode(file.relative_to(path).as_posix())
        digest.update(name + b"\0" + file_digest(file, whole).encode() + b"\0")
    return digest.hexdigest()


def file_digest(path: Path, whole: int = WHOLE) -> str:
    """SHA-256 of a file; above `whole` bytes of its size and its edges alone."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= whole:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        edges = hashlib.sha256(f"{size}\0".encode() + stream.read(_EDGE))
        stream.seek(-_EDGE, os.SEEK_END)
        edges.update(stream.read(_EDGE))
    return edges.hexdigest()


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
