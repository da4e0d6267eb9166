"""Fingerprints of model folders."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FULL_CONTENT = 64 * 2**20
"""Files up to this many bytes are read whole."""

_EDGE = 2**20
_SUFFIXES = frozenset({".json", ".safetensors", ".jinja", ".model", ".txt"})


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over the files that decide what a model computes: configuration, tokenizer, weights.

    Names, sizes and contents go in. Of a file above `FULL_CONTENT` only the first and last MiB are
    read, so that the fingerprint of a large model takes no longer than its listing.

    Args:
        folder: Model folder in Hugging Face format; subfolders are not looked at.

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.is_file():
            size = path.stat().st_size
            total.update(f"{path.name}\0{size}\0".encode())
            total.update(_content(path, size))
    return total.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a whole file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _content(path: Path, size: int) -> bytes:
    if size <= FULL_CONTENT:
        return bytes.fromhex(file_sha256(path))
    with path.open("rb") as stream:
        edges = hashlib.sha256(stream.read(_EDGE))
        stream.seek(-_EDGE, os.SEEK_END)
        edges.update(stream.read(_EDGE))
    return edges.digest()
