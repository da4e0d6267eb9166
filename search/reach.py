"""What can be known before Ray is asked: whether a cluster answers, and whether one can be started here.

Ray waits for minutes for a cluster that is not there, and says little of why it does not start.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from search.authentication import check_admission
from search.errors import ClusterError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
_SOCKET_BYTES = 107
"""The longest path that a Unix socket may have on Linux."""
_LONGEST_SOCKET = f"ray/session_2026-01-01_00-00-00_000000_{os.getpid()}/sockets/dash_MetricsHead"
"""Where Ray puts its sockets below the folder for temporary files."""
_ROOM_BYTES = 50 * 2**20


def check_address(address: str, named: str) -> None:
    """Refuses the address of a cluster that does not answer.

    Args:
        address: As given: `host:port`, with `ray://` or without, or `auto`.
        named: Where it comes from, such as "workers.address".

    Raises:
        ClusterError: Nothing answers there within 15 s, or it is no address.
    """
    known = _recorded() if address == "auto" else address
    if known is None:
        return  # Ray looks for processes of its own, and says at once where there are none
    host, colon, port = known.removeprefix("ray://").rpartition(":")
    host = host.strip("[]")
    if "://" in host or not (colon and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise _unreachable(known, named, "it is not an address: write host:port, such as 10.0.0.5:6379")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except socket.gaierror as error:
        raise _unreachable(known, named, f"there is no host {host} ({error.strerror})") from error
    except TimeoutError as error:
        raise _unreachable(known, named, f"no answer within {CONNECT_SECONDS:.0f} s") from error
    except OSError as error:
        raise _unreachable(known, named, (error.strerror or str(error)).lower()) from error
    if not _speaks_grpc(host, port):
        problem = f"something listens there, but does not answer as Ray within {ANSWER_SECONDS:.0f} s"
        raise _unreachable(known, named, problem)
    if not _has_certificates():
        check_admission(host, port, f"The Ray cluster at {known}, from {named},")


def check_machine() -> None:
    """Refuses to start Ray where its folder for temporary files will not do.

    Raises:
        ClusterError: It cannot be written, its path is too long for sockets, or it is full.
    """
    variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), None)
    folder = temporary_folder()
    where = f"{folder} ({variable})" if variable else str(folder)
    hint = "Set RAY_TMPDIR to a folder with a short path that you can write to, on a disk with free space."
    if len(os.fsencode(folder / _LONGEST_SOCKET)) > _SOCKET_BYTES:
        most = _SOCKET_BYTES - len(_LONGEST_SOCKET) - 1
        problem = f"its path has {len(os.fsencode(folder))} bytes, and sockets in it allow {most}"
        raise ClusterError(f"Ray cannot store its files in {where}: {problem}.", hint=hint)
    try:
        (folder / "ray").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "ray"):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        problem = error.strerror or str(error)
        raise ClusterError(f"Ray cannot store its files in {where}: {problem}.", hint=hint) from error
    if free < _ROOM_BYTES:
        problem = f"only {free / 2**20:.0f} MiB are free there"
        raise ClusterError(f"Ray cannot store its files in {where}: {problem}.", hint=hint)


def temporary_folder() -> Path:
    """Where Ray has the folder for its files, by its own rules."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")


def _recorded() -> str | None:
    """The cluster that `ray start` has left a note of on this machine."""
    given = os.environ.get("RAY_ADDRESS")
    if given not in (None, "", "auto"):
        return given
    try:
        return (temporary_folder() / "ray" / "ray_current_cluster").read_text().strip() or None
    except OSError:
        return None


def _speaks_grpc(host: str, port: str) -> bool:
    """Whether a server of Ray's protocol is there; one with certificates is taken at its word."""
    if _has_certificates():
        return True
    import grpc

    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWER_SECONDS)
        except grpc.FutureTimeoutError:
            return False
    return True


def _has_certificates() -> bool:
    return os.environ.get("RAY_USE_TLS", "0") not in ("", "0")


def _unreachable(address: str, named: str, problem: str) -> ClusterError:
    return ClusterError(
        f"The Ray cluster at {address}, from {named}, cannot be joined: {problem}.",
        hint="Start it, or give the address of a running cluster with workers.address=HOST:PORT. Without "
        "workers.address and RAY_ADDRESS, only this machine is used.",
    )
