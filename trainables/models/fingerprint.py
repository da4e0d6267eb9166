"""Fingerprints of model folders."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FULL_CONTENT = 64 * 2**20
"""Files up to this many bytes are read whole."""

_EDGE = 2**20
_SUFFIXES = frozenset({".json", ".safetensors", ".jinja", ".model", ".txt"})
_VOCABULARIES = frozenset({".tiktoken", ".bpe", ".vocab", ".tokenizer"})
"""Of tokenizers that are not in the one file tokenizer.json."""


def folder_fingerprint(folder: Path, *, code: bool = False) -> str:
    """SHA-256 over the files that decide what a model computes: configuration, tokenizer, weights, code.

    Names, sizes and contents go in. Of a file above `FULL_CONTENT` only the first and last MiB are
    read, so that the fingerprint of a large model takes no longer than its listing.

    Args:
        folder: Model folder in Hugging Face format.
        code: Whether Python files of the folder are run.

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256()
    for path in _read_files(folder, code):
        size = path.stat().st_size
        total.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        total.update(_content(path, size))
    return total.hexdigest()


def _read_files(folder: Path, code: bool) -> list[Path]:
    """What transformers may read, in an order that added kinds of files leave as it was."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    files += sorted(folder.glob("additional_chat_templates/*.jinja"))
    if not (folder / "tokenizer.json").is_file():
        files += sorted(path for path in folder.iterdir() if path.suffix in _VOCABULARIES)
    if code:
        files += sorted(folder.rglob("*.py"))
    return [path for path in files if path.is_file()]


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
