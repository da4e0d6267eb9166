"""The driver's side of tracking: one child process, for which the search never waits."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from search.config.schema import TrackingConfig
from search.shadows import module_command
from search.tracking.shipped import is_current
from search.tracking.store import find_store

TRACKING = "TIGHTROPE_TRACKING"
"""Holds the `TrackingConfig` as JSON; its URL may carry credentials, which a command line would show."""

_NAMES = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "MLFLOW_WORKSPACE"),
    }
)
# Credentials and addresses of the server and of its artifact stores.
_PREFIXES = ("MLFLOW_TRACKING_", "MLFLOW_S3_", "AWS_", "AZURE_STORAGE_")

_SETTINGS = {
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Each printed link costs a request.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # The follower has its own backoff, which finds a server within seconds of its return.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "OMP_NUM_THREADS": "1",
}

LOG = "tracking.log"
_STOP_SECONDS = 2.0


def tracking_environment(
    environment: Mapping[str, str], config: TrackingConfig | None = None
) -> dict[str, str]:
    """The part of `environment` that the tracking process may see, with MLflow's settings.

    Args:
        environment: Usually `os.environ`.
        config: Handed on to the tracking process; None keeps the one already in `environment`.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name == TRACKING or name.startswith(_PREFIXES)
    }
    if config is not None:
        kept[TRACKING] = config.model_dump_json()
    return kept | _SETTINGS


def set_session_niceness(process: int, niceness: int) -> None:
    """Sets the niceness of a process's session, where Linux schedules each session as a whole.

    Args:
        process: Its id.
        niceness: 0 to 19.
    """
    with suppress(OSError):
        Path(f"/proc/{process}/autogroup").write_text(str(niceness))


class Tracker:
    """Writes a search to MLflow from a process of its own, which reads the record.

    The search hands nothing over and waits for nothing: where MLflow is slow, down or broken, only MLflow
    is late. If the driver dies, the child writes what is recorded and ends.

    Args:
        folder: The search's folder.
        config: Where to; with `enabled` false nothing is started.
    """

    def __init__(self, folder: Path, config: TrackingConfig) -> None:
        self._folder = folder
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the child and returns at once; its output goes to `tracking.log` in the folder."""
        self._start("--follow", "--parent", str(os.getpid()))

    def catch_up(self) -> bool:
        """Starts a child that brings MLflow to the state of a search that has ended, where it is not there.

        Returns:
            Whether there is anything to bring.
        """
        if not self._config.enabled or is_current(self._folder, self._config):
            return False
        self._start()
        return True

    def _start(self, *options: str) -> None:
        if not self._config.enabled or self._process is not None:
            return
        try:
            command = [*module_command("search.tracking"), str(self._folder), *options]
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / LOG).open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=tracking_environment(os.environ, self._config),
                    # Out of the terminal's reach: Ctrl-C is for the search, whose end is still to be written.
                    start_new_session=True,
                )
        except OSError:
            # A full disk or process table is no reason to lose the search; `finish` says what to do.
            self._process = None

    def finish(self, timeout: float) -> str | None:
        """Waits until MLflow has everything. To be called after `SearchEnded` and the summary are written.

        Args:
            timeout: Longest wait, in seconds. The child keeps running after it until it is done, until `stop`
                is called, or until MLflow fails once the driver has ended.

        Returns:
            None where MLflow has everything, else one sentence with the command that brings it there.
        """
        if not self._config.enabled:
            return None
        if self._process is not None and self._process.poll() is not None:
            self._process = None  # it was killed, or failed: another one brings what is missing
            self._start()
        if self._process is not None:
            set_session_niceness(self._process.pid, 0)  # now somebody waits for it
        try:
            done = self._process is not None and self._process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            done = False
        return None if done else self._later()

    def stop(self) -> None:
        """Ends the child. Idempotent; what it has not written can be written later."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _later(self) -> str:
        store = find_store(self._folder, self._config)
        command = shlex.join(["python", "-m", "search.tracking", str(self._folder)])
        login = " with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD set" if store.environment else ""
        return (
            f"MLflow at {store} does not have the whole search yet (see {self._folder / LOG}); update it "
            f"with `{command}`{login}."
        )
