"""Says how a search goes on where its process ends without a word.

Ray ends a driver from within, in a moment, when its node is shut down, and the system kills what takes too
much memory: then another process, which only waits for that, says what there is to say.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from types import TracebackType

from search.redact import redact
from trainables.text import printable

_WAITER = """
import os, sys
if not os.read(0, 1):
    os.write(2, (sys.argv[1] + chr(10)).encode("utf-8", "backslashreplace"))
"""


class Farewell:
    """Within it, an end of this process that comes unannounced is commented on standard error.

    Args:
        text: What is said then.
    """

    def __init__(self, text: str) -> None:
        self._text = printable(redact(text))
        self._waiter: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Farewell:
        with suppress(OSError):
            self._waiter = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WAITER, self._text],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # what ends the process group is no end of this one
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave_unsaid()

    def leave_unsaid(self) -> None:
        """This process says itself how it ends. Idempotent."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and waiter.stdin is not None:
            with suppress(OSError):
                waiter.stdin.write(b".")
                waiter.stdin.close()
            waiter.wait()
