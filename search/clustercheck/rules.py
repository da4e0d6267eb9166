"""Rules for every provider: authenticated, on the loopback interface, and of fixed versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from search.clustercheck.document import Document
from search.clustercheck.shell import SimpleCommand, simple_commands
from search.config.origins import Key
from search.errors import Problem

START_KEYS = ("head_start_ray_commands", "worker_start_ray_commands")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TOKEN_ITSELF = re.compile(r"\bRAY_AUTH_TOKEN=[\"']?[^\s\"'$]")
DEFAULT_TOKEN_PATH = "~/.ray/auth_token"


_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_RAY_TAG = re.compile(r"^(?P<ray>\d+\.\d+\.\d+)(-py3\d+)?(-(cpu|cu\d+))?$")
_MOVING = re.compile(r"(^|[-.])(latest|nightly|master|main|dev|edge)([-.]|$)")
_MOVING_WHEEL = re.compile(r"ray-wheels/(latest|master)|\.dev\d|nightly")
IMAGE_KEYS = ("image", "head_image", "worker_image")


def commands(document: Document) -> Iterator[tuple[Key, SimpleCommand]]:
    """Every simple command of every `*_commands` list, of node types as well."""
    for path in document.places:
        value = document.get(*path)
        if isinstance(value, str) and len(path) >= 2 and str(path[-2]).endswith("_commands"):
            for command in simple_commands(value):
                yield path, command


def starts_authenticate(document: Document) -> Iterator[Problem]:
    """Every `ray start` runs with token authentication; without, Ray warns and runs open to all."""
    started: set[str | int] = set()
    for path, command in commands(document):
        if not command.runs("ray", "start"):
            continue
        started.add(path[0])
        mode = command.variables.get("RAY_AUTH_MODE")
        if mode != "token":
            fault = "does not set RAY_AUTH_MODE" if mode is None else f"sets RAY_AUTH_MODE={mode}"
            message = f"`ray start` {fault}: anyone who can reach the port can run code"
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
    for path in document.places:
        value = document.get(*path)
        if isinstance(value, str) and _TOKEN_ITSELF.search(value):
            hint = "keep the token in a file of mode 0600, mount its folder, and set RAY_AUTH_TOKEN_PATH"
            yield document.problem(path, "contains the token itself", hint)


def dashboard_on_loopback(document: Document) -> Iterator[Problem]:
    """The dashboard listens on the head alone and is reached by a tunnel."""
    for path, command in commands(document):
        host = command.option("--dashboard-host") if command.runs("ray", "start") else None
        if host is not None and host not in LOOPBACK:
            message = (
                f"--dashboard-host is {host}: others on the network could reach the dashboard, which runs "
                "jobs"
            )
            yield document.problem(path, message, "--dashboard-host=127.0.0.1; `ray dashboard` tunnels to it")


def mlflow_on_loopback(document: Document) -> Iterator[Problem]:
    """MLflow has no authentication, so its server listens on the head alone."""
    for path, command in commands(document):
        if command.runs("mlflow", "server") or command.runs("mlflow", "ui"):
            host = command.option("--host", "-h")
            if host not in LOOPBACK:
                message = f"the MLflow server's --host is {host or 'not given'}; it has no authentication"
                yield document.problem(path, message, "--host 127.0.0.1, and a tunnel")


def container_images(document: Document) -> Iterator[tuple[Key, str]]:
    """Every container image of the file."""
    types = document.get("available_node_types")
    owners: list[Key] = [("docker",)]
    owners += [("available_node_types", name, "docker") for name in types] if isinstance(types, dict) else []
    for owner in owners:
        for key in IMAGE_KEYS:
            image = document.get(*owner, key)
            if isinstance(image, str):
                yield (*owner, key), image


def images_are_pinned(document: Document) -> Iterator[Problem]:
    """Images carry a version; those of Ray the version that is installed here, as `ray up` wants."""
    for path, image in container_images(document):
        yield from unpinned(document, path, image)


def unpinned(document: Document, path: Key, image: str) -> Iterator[Problem]:
    """What is wrong with the name of a container's image."""
    import ray

    good = f"rayproject/ray:{ray.__version__}-py311-cpu"
    repository, _, tag = image.rpartition("/")[2].partition(":")
    if _DIGEST.search(image):
        return
    if not tag or _MOVING.search(tag):
        yield document.problem(path, f"{image} can change over time", f"name a version, like {good}")
    elif repository == "ray" and (match := _RAY_TAG.match(tag)) is None:
        yield document.problem(path, f"{image} names no version of Ray", f"like {good}")
    elif repository == "ray" and match and match["ray"] != ray.__version__:
        message = f"{image} runs Ray {match['ray']}, and {ray.__version__} is installed here"
        yield document.problem(path, message, "the same version on both sides")


def setup_is_pinned(document: Document) -> Iterator[Problem]:
    """Set-up is given (Ray's default on AWS installs a nightly wheel) and installs no moving wheel."""
    if document.get("setup_commands") is None and document.get("provider", "type") == "aws":
        message = "is missing: Ray's default installs a nightly wheel"
        yield document.problem(("setup_commands",), message, "install the project with its constraints file")
    for path in document.places:
        value = document.get(*path)
        if not isinstance(value, str) or not _is_setup(path):
            continue
        if match := _MOVING_WHEEL.search(value):
            message = f"installs a version that can change over time ({match[0]})"
            yield document.problem(path, message, "install released versions, -c constraints.txt")


def _is_setup(path: Key) -> bool:
    return len(path) >= 2 and str(path[-2]).endswith("setup_commands")
