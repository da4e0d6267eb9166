"""A process that ends without a word has somebody to say how its search goes on."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SAID = "error: ended from outside\n  hint: Resume with: python -m search.run space=demo\n"
PROCESS = """
import os, signal, sys
from search.farewell import Farewell

with Farewell({text!r}) as farewell:
    print("begun", flush=True)
    {end}
"""


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os._exit(1)", SAID),
        ("os.kill(os.getpid(), signal.SIGKILL)", SAID),
        ("os.killpg(os.getpid(), signal.SIGTERM); signal.pause()", SAID),
        ("sys.exit(1)", ""),
        ("farewell.leave_unsaid(); os._exit(1)", ""),
    ],
)
def test_only_an_end_without_a_word_is_commented(end: str, said: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROCESS.format(text=SAID.removesuffix("\n"), end=end)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
    )
    assert process.stdout == "begun\n"
    assert process.stderr == said
    assert process.returncode in (1, -signal.SIGKILL, -signal.SIGTERM)
