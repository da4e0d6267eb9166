"""Rules for the commands that start Ray and MLflow: authenticated, and on the loopback interface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from search.clustercheck.document import Document, KeyPath
from search.clustercheck.shell import SimpleCommand, simple_commands
from search.errors import Problem

START_KEYS = ("head_start_ray_commands", "worker_start_ray_commands")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TOKEN_ITSELF = re.compile(r"\bRAY_AUTH_TOKEN=[\"']?[^\s\"'$]")
DEFAULT_TOKEN_PATH = "~/.ray/auth_token"


def commands(document: Document) -> Iterator[tuple[KeyPath, SimpleCommand]]:
    """Every simple command of every `*_commands` list, of node types as well."""
    for path in document.lines:
        value = document.get(*path)
        if isinstance(value, str) and len(path) >= 2 and str(path[-2]).endswith("_commands"):
            for command in simple_commands(value):
                yield path, command


def starts_authenticated(document: Document) -> Iterator[Problem]:
    """Every `ray start` runs with token authentication; without, Ray warns and runs open to all."""
    started: set[str | int] = set()
    for path, command in commands(document):
        if not command.runs("ray", "start"):
            continue
        started.add(path[0])
        mode = command.variables.get("RAY_AUTH_MODE")
        if mode != "token":
            found = "does not set RAY_AUTH_MODE" if mode is None else f"sets RAY_AUTH_MODE={mode}"
            message = f"`ray start` {found}: anyone who reaches the port can run code"
            yield document.problem(path, message, "put `RAY_AUTH_MODE=token` in front of `ray start`")
        if not _is_mounted(token_path(command), document):
            message = f"the token {token_path(command)} is not in a folder of file_mounts"
            hint = "mount its folder, and set RAY_AUTH_TOKEN_PATH to the file in it"
            yield document.problem(path, message, hint)
    for key in START_KEYS:
        if key not in started:
            message = "has no `ray start`; Ray's own default starts without authentication"
            yield document.problem((key,), message, "give it, with RAY_AUTH_MODE=token")


def token_path(command: SimpleCommand) -> str:
    """Where a `ray start` finds its token."""
    return command.variables.get("RAY_AUTH_TOKEN_PATH", DEFAULT_TOKEN_PATH)


def token_mount(token: str, document: Document) -> tuple[str, str] | None:
    """Remote and local path of the mount that brings the token, or None."""
    mounts = document.get("file_mounts")
    wanted = PurePosixPath(token)
    for remote, local in mounts.items() if isinstance(mounts, dict) else ():
        if wanted.is_relative_to(PurePosixPath(str(remote))):
            return str(remote), str(local)
    return None


def _is_mounted(token: str, document: Document) -> bool:
    return token_mount(token, document) is not None


def no_token_in_file(document: Document) -> Iterator[Problem]:
    """The token itself is never written into the file, which is shared and committed."""
    for path in document.lines:
        value = document.get(*path)
        if isinstance(value, str) and _TOKEN_ITSELF.search(value):
            hint = "keep the token in a file of mode 0600, mount its folder, and set RAY_AUTH_TOKEN_PATH"
            yield document.problem(path, "holds the token itself", hint)


def dashboard_on_loopback(document: Document) -> Iterator[Problem]:
    """The dashboard listens on the head alone and is reached by a tunnel."""
    for path, command in commands(document):
        host = command.option("--dashboard-host") if command.runs("ray", "start") else None
        if host is not None and host not in LOOPBACK:
            message = f"--dashboard-host is {host}: the network would reach the dashboard, which runs jobs"
            yield document.problem(path, message, "--dashboard-host=127.0.0.1; `ray dashboard` tunnels to it")


def mlflow_on_loopback(document: Document) -> Iterator[Problem]:
    """MLflow has no authentication, so its server listens on the head alone."""
    for path, command in commands(document):
        if command.runs("mlflow", "server") or command.runs("mlflow", "ui"):
            host = command.option("--host", "-h")
            if host not in LOOPBACK:
                message = f"the MLflow server's --host is {host or 'not given'}; it has no authentication"
                yield document.problem(path, message, "--host 127.0.0.1, and a tunnel")
