"""The Ray cluster that the tests' searches join, as those of a user join one that is already up."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.servers import free_port, wait_for

_START_SECONDS, _END_SECONDS = 240.0, 120.0
RAY_ENVIRONMENT = {"RAY_worker_niceness": "0"}
"""Ray's workers get as much of a core as the tests beside them; else they would get what those leave."""
_AT_ONCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
"""It ends without waiting for actors that outlive their search, as some of Ray Train do."""


class SharedCluster:
    """A cluster of this machine that starts when it is first asked for, and ends with `end`.

    A machine holds one cluster at a time: tests whose searches start their own run while this one is down.

    Args:
        folder: Where its processes may write what they print.
        installed: Folder of packages that its workers have.
    """

    def __init__(self, folder: Path, installed: Path) -> None:
        self._path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._log = folder / "ray.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""
        self.environment = RAY_ENVIRONMENT | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        """What a process that joins it has in its environment."""

    @property
    def word(self) -> str:
        """What a command line joins it with, once it is up."""
        if self._process is None:
            self._start()
        return f"workers.address={self._address}"

    def _start(self) -> None:
        port = free_port()
        self._address = f"127.0.0.1:{port}"
        # One CPU more than two workers need: for the light actors of the trials.
        options = [f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=3", "--disable-usage-stats"]
        options += ["--include-dashboard=false"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *options],
                stdout=log,
                stderr=log,
                env=os.environ
                | {"OMP_NUM_THREADS": "1", "PYTHONPATH": self._path, **_AT_ONCE, **self.environment},
            )
        wait_for(self._is_up, _START_SECONDS)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        return "--block" in self._log.read_text()  # printed once its processes are up

    def end(self) -> None:
        """Ends it, if it is up, with all of its processes."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_END_SECONDS)
            self._process = None
