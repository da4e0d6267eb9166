"""A file system that refuses what a test has it refuse, and is there again when the test says so.

    python -m tests.refusing_disk FOLDER

mounts one at FOLDER, by the kernel's own protocol (FUSE), so that the errors come out of real system calls.
Each line on its standard input is a JSON object of what to refuse from then on: operations and error numbers.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = 1
_NAMES = {
    1: "lookup",
    3: "getattr",
    4: "setattr",
    14: "open",
    15: "read",
    16: "write",
    20: "fsync",
    35: "create",
}
_NAMES |= {18: "release", 25: "flush", 26: "init", 27: "opendir", 29: "releasedir", 30: "fsyncdir"}
_UNANSWERED = (2, 36, 42)
"""Forgetting and interrupting."""
_SETS_SIZE = 1 << 3


class _Files:
    """One folder of files, in memory; numbered from 2."""

    def __init__(self) -> None:
        self._names: dict[bytes, int] = {}
        self._content: dict[int, bytearray] = {}
        self.refused: dict[str, int] = {}

    def answer(self, operation: int, node: int, body: bytes) -> bytes | int:
        """What to answer: bytes, or the number of an error."""
        name = _NAMES.get(operation)
        if name is None:
            return errno.ENOSYS
        if name in self.refused:
            return self.refused[name]
        result: bytes | int = getattr(self, f"_{name}")(node, body)
        return result

    def _attributes(self, node: int) -> bytes:
        folder = node == _ROOT
        size = 0 if folder else len(self._content[node])
        mode = 0o40755 if folder else 0o100644
        return struct.pack("<6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _entry(self, node: int) -> bytes:
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + self._attributes(node)

    def _init(self, node: int, body: bytes) -> bytes:
        # Version 7.31, no read-ahead and no extras; writes of up to 128 KiB.
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 1 << 17, 1, 0, 0, *(0,) * 8)

    def _lookup(self, node: int, body: bytes) -> bytes | int:
        known = self._names.get(body.rstrip(b"\0"))
        return errno.ENOENT if known is None else self._entry(known)

    def _getattr(self, node: int, body: bytes) -> bytes:
        return struct.pack("<Q2I", 0, 0, 0) + self._attributes(node)

    def _setattr(self, node: int, body: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<2I2Q", body)
        if valid & _SETS_SIZE:
            content = self._content[node]
            content[:] = content[:size].ljust(size, b"\0")
        return self._getattr(node, body)

    def _create(self, node: int, body: bytes) -> bytes:
        number = len(self._content) + 2
        self._names[body[16:].rstrip(b"\0")] = number
        self._content[number] = bytearray()
        return self._entry(number) + self._open(node, body)

    def _open(self, node: int, body: bytes) -> bytes:
        return struct.pack("<Q2I", 0, 1, 0)  # past the kernel's cache, so that each write comes here at once

    _opendir = _open

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", body)
        return bytes(self._content[node][offset : offset + size])

    def _write(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", body)
        self._content[node][offset : offset + size] = body[40 : 40 + size]
        return struct.pack("<2I", size, 0)

    def _done(self, node: int, body: bytes) -> bytes:
        return b""

    _fsync = _fsyncdir = _flush = _release = _releasedir = _done


def _mount(folder: str) -> int:
    """Returns the kernel's end."""
    libc, channel = ctypes.CDLL(None, use_errno=True), os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"refusing", folder.encode(), b"fuse", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    return channel


def main(folder: str) -> None:
    """Serves until standard input ends."""
    channel, files = _mount(folder), _Files()
    print("mounted", flush=True)
    while True:
        ready, _, _ = select.select([channel, sys.stdin], [], [])
        if sys.stdin in ready:
            if not (line := sys.stdin.readline()):
                return
            files.refused = json.loads(line)
            print("ok", flush=True)
        if channel in ready:
            try:
                request = os.read(channel, 1 << 18)
            except OSError:  # unmounted, or a request that was withdrawn
                if not os.path.ismount(folder):
                    return
                continue
            _, operation, unique, node = struct.unpack_from("<2I2Q", request)
            if operation not in _UNANSWERED:
                said = files.answer(operation, node, request[40:])
                code, body = (0, said) if isinstance(said, bytes) else (-said, b"")
                os.write(channel, struct.pack("<IiQ", 16 + len(body), code, unique) + body)


class RefusingDisk:
    """Args:
    folder: Where it is mounted.
    server: Serves it.
    """

    def __init__(self, folder: Path, server: subprocess.Popen[str]) -> None:
        self.folder = folder
        self._server = server

    def refuse(self, **operations: int) -> None:
        """Refuses these from now on, each with an error of this number, and no others."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(operations) + "\n")
        self._server.stdin.flush()
        assert self._server.stdout.readline() == "ok\n"


@contextmanager
def refusing_disk(folder: Path) -> Iterator[RefusingDisk]:
    """Mounts one for a while; skips the test where that is not allowed."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("a file system of one's own takes root and FUSE")
    folder.mkdir()
    words = [sys.executable, "-m", "tests.refusing_disk", str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            if server.stdout.readline() != "mounted\n":
                pytest.skip("no file system can be mounted here")
            yield RefusingDisk(folder, server)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
            server.kill()


if __name__ == "__main__":
    main(sys.argv[1])
