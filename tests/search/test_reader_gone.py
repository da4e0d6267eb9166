"""A terminal or pipe that is gone takes nothing with it but what was to be seen."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
from rich.console import Console
from search.output import unless_gone
with unless_gone(sys.stdout, sys.stderr):
    for line in range(10_000):
        Console().print("a summary", line)
    print("all was seen", file=sys.stderr)
sys.exit(7)
"""


def test_the_exit_code_is_the_programs_own_when_nobody_reads_any_more() -> None:
    for closed in (True, False):
        reading, writing = os.pipe()
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=writing, stderr=subprocess.PIPE
        ) as program:
            os.close(writing)
            if not closed:
                while os.read(reading, 1 << 16):
                    pass
            os.close(reading)
            assert program.stderr is not None
            said = program.stderr.read().decode()
        assert program.returncode == 7, said
        assert said.strip() == ("" if closed else "all was seen")
