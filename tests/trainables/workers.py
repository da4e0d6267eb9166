"""Starts a script as the workers of a group, as torchrun does, which itself takes long to start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
TIMEOUT = 900
_SCRIPTS = ROOT / "tests" / "trainables"


def run_workers(script: str, *words: str, workers: int = 2) -> None:
    """Runs a script of this folder in every worker; fails with what the workers printed.

    Args:
        script: Name of its file.
        words: Of its command line.
        workers: Number of processes.
    """
    shared = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(workers),
        "LOCAL_WORLD_SIZE": str(workers),
    }
    command = [sys.executable, str(_SCRIPTS / script), *words]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(workers)
    ]
    end, errors = time.monotonic() + TIMEOUT, []
    try:
        for process in processes:
            errors.append(process.communicate(timeout=max(1.0, end - time.monotonic()))[1])
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * workers, errors[0][-3000:]
