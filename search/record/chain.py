"""A running hash over the lines of a record: what is changed, doubled, left out or moved shows.

The hash of a line is over that of the line before and the line's own event. It is the line's last member,
`chain`. Lines written before hashes existed have none; the first line that has one covers them all. It
guards against accidents and edits. It is no signature: whoever can write the record can compute it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

_MEMBER = b',"chain":"'
_DIGITS = 32
_TAIL = len(_MEMBER) + _DIGITS + len(b'"}\n')
_SEALED = re.compile(re.escape(_MEMBER) + rb'([0-9a-f]{%d})"\}\n' % _DIGITS)


class Chain:
    """The running hash of a reader, from a record's first line on."""

    def __init__(self) -> None:
        self._hash = b""
        self._begun = False

    def take(self, line: bytes) -> tuple[bytes, bool, str | None]:
        """Takes the next whole line.

        Returns:
            Its event as JSON, whether its hash shows that it is as it was written, and else what is wrong
            with the hash; neither for a line written before hashes existed.
        """
        sealed = _SEALED.fullmatch(line, max(0, len(line) - _TAIL))
        event = line[:-1] if sealed is None else line[:-_TAIL] + b"}"
        self._hash = _extended(self._hash, event)
        if sealed is None:
            return event, False, "has no hash, unlike the lines before it" if self._begun else None
        self._begun = True
        if sealed[1] != self._hash:
            what = "does not follow from the lines before it: a line was changed, doubled, left out or moved"
            return event, False, what
        return event, True, None


def sealed_line(fd: int, end: int, event: bytes) -> bytes:
    """The line of an event that follows what the record already has.

    Args:
        fd: The record, open for reading.
        end: Length of its whole lines.
        event: The event, as a JSON object.
    """
    digest = _extended(_last_hash(fd, end), event)
    return event[:-1] + _MEMBER + digest + b'"}\n'


def _last_hash(fd: int, end: int) -> bytes:
    """From the file alone: after an interrupt only it knows whether a line was written."""
    if sealed := _SEALED.fullmatch(os.pread(fd, _TAIL, max(0, end - _TAIL))):
        return sealed[1]
    with open(os.dup(fd), "rb") as file:
        file.seek(0)
        return _hash_of(file.read(end).splitlines(keepends=True))


def _hash_of(lines: Iterable[bytes]) -> bytes:
    digest = b""
    for line in lines:
        digest = _extended(digest, line[:-1])
    return digest


def _extended(before: bytes, event: bytes) -> bytes:
    return hashlib.sha256(before + event).hexdigest()[:_DIGITS].encode()
