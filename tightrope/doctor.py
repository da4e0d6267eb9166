"""`tightrope doctor`: whether this machine can run a search, a line for each check, with the remedy."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError

from search.authentication import token_here
from search.cluster import cluster_address
from search.config.overrides import place
from search.config.schema import TrackingConfig, WorkersConfig
from search.errors import ClusterError, ConfigError, Problem
from search.output import say, say_json
from search.plan.build import gpus_here
from search.reach import check_machine
from search.shadows import in_the_way
from search.tracking.store import database_problem, find_store
from search.verb import run_verb
from tightrope.words import Words, parse
from trainables.machine import cores, memory_available

USAGE = """\
usage: tightrope doctor [out=FOLDER] [workers.address=HOST:PORT] [tracking.uri=URI] [--json]

Checks whether this machine can run a search: versions, devices, memory, disk, Ray, MLflow. One line each.

  out=FOLDER                   where searches will be; without it, runs
  workers.address=HOST:PORT    the Ray cluster to join; without it, RAY_ADDRESS
  tracking.uri=URI             the MLflow server or database; without it, a file in `out`
  --json                       one line of JSON

Exit codes: 0 all is well, 1 there is a problem, 2 wrong command line.
"""
_PACKAGES = ("torch", "transformers", "peft", "ray", "mlflow", "optuna", "deepspeed")
_MEMORY_BYTES, _DISK_BYTES, _SHARED_BYTES = 2e9, 5e9, 1e9
_SECONDS = 5.0
_SHARED = Path("/dev/shm")


class Check(NamedTuple):
    """One line.

    Attributes:
        name: Of what was looked at.
        state: What is there.
        remedy: What to do; None where all is well.
    """

    name: str
    state: str
    remedy: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks this machine; returns the exit code."""
    return run_verb(arguments, USAGE, _examine)


def _examine(words: list[str]) -> int:
    asked = parse(words, ("out", "workers.address", "tracking.uri"), ("--json",))
    _refuse_wrong(asked)
    checks = [check for look in _LOOKS for check in look(asked)]
    problems = [check for check in checks if check.remedy is not None]
    if "--json" in asked.flags:
        say_json([{**check._asdict(), "ok": check.remedy is None} for check in checks])
    else:
        width = max(len(check.name) for check in checks)
        for name, state, remedy in checks:
            mark = "ok     " if remedy is None else "problem"
            say(f"{mark}  {name:<{width}}  {state}" + ("" if remedy is None else f"; {remedy}"))
    return 1 if problems else 0


def _refuse_wrong(asked: Words) -> None:
    """Refuses what a search would.

    Raises:
        ConfigError: An address is none.
    """
    problems = []
    for make, key in ((_tracking, "tracking.uri"), (_workers, "workers.address")):
        try:
            make(asked)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            what, _, hint = message.partition("; ")
            problems.append(Problem(key, what, place(f"{key}={asked.settings[key]}"), hint or None))
    if problems:
        raise ConfigError(problems, "command line")


def _tracking(asked: Words) -> TrackingConfig:
    return TrackingConfig(uri=asked.settings.get("tracking.uri"))


def _workers(asked: Words) -> WorkersConfig:
    return WorkersConfig(address=asked.settings.get("workers.address"))


def _versions(asked: Words) -> Iterator[Check]:
    yield Check("tightrope", f"{metadata.version('tightrope')}, Python {platform.python_version()}")
    for package in _PACKAGES:
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            yield Check(package, "is not installed", f"run: pip install {package}")
        else:
            yield Check(package, version)


def _shadows(asked: Words) -> Iterator[Check]:
    files = in_the_way(os.getcwd())
    if files:
        names = ", ".join(files)
        remedy = "rename it, or start searches with `tightrope run`, which does not look there"
        yield Check("folder", f"{names} hides a package from `python -m`", remedy)
    else:
        yield Check("folder", "no file here hides a package")


def _devices(asked: Words) -> Iterator[Check]:
    gpus = gpus_here()
    yield Check("GPUs", str(gpus) if gpus else "none; searches run on the CPU")
    yield Check("CPUs", f"{cores()} cores")
    if gpus and importlib.util.find_spec("torch") is not None:
        torch = import_module("torch")
        if torch.cuda.is_available():
            yield Check("CUDA", f"torch sees {torch.cuda.device_count()} GPUs")
        else:
            remedy = "install the build of torch for this driver: https://pytorch.org/get-started"
            yield Check("CUDA", "torch sees no GPU", remedy)


def _space(asked: Words) -> Iterator[Check]:
    yield _room("memory", memory_available(), _MEMORY_BYTES, "end other programs, or choose a smaller model")
    there = next(path for path in (asked.out.resolve(), *asked.out.resolve().parents) if path.exists())
    if os.access(there, os.W_OK):
        free = float(shutil.disk_usage(there).free)
        yield _room(f"disk ({asked.out})", free, _DISK_BYTES, "free some, or give another folder with out=")
    else:
        yield Check(f"disk ({asked.out})", f"{there} is not writable", "give another folder with out=")
    if _SHARED.is_dir():
        remedy = "give the container more, for example docker run --shm-size=4g"
        yield _room(str(_SHARED), float(shutil.disk_usage(_SHARED).free), _SHARED_BYTES, remedy)


def _room(name: str, free: float, least: float, remedy: str) -> Check:
    state = f"{free / 1e9:.1f} GB free"
    return Check(name, state) if free >= least else Check(name, f"{state}, {least / 1e9:g} needed", remedy)


def _ray(asked: Words) -> Iterator[Check]:
    try:
        import_module("ray")
        yield Check("Ray", "can be imported")
    except Exception as error:  # noqa: BLE001 - a named boundary: whatever a broken installation raises
        yield Check("Ray", f"cannot be imported: {error}", "reinstall tightrope")
    try:
        check_machine()
        yield Check("Ray's files", "their folder is writable")
    except ClusterError as error:
        yield Check("Ray's files", error.message, error.hint)


def _cluster(asked: Words) -> Iterator[Check]:
    named, address = cluster_address(_workers(asked))
    if address is None:
        yield Check("cluster", "none; a search starts Ray on this machine")
        return
    token, missing = token_here()
    if token is None:
        yield Check("token", f"for {address} ({named}), {missing}", "see docs/cluster.md, or ask who runs it")
    else:
        yield Check("token", f"there is one for {address} ({named})")


def _mlflow(asked: Words) -> Iterator[Check]:
    store = find_store(asked.out / "any", _tracking(asked))
    if store.database is not None:
        problem = database_problem(store.database)
        state = f"{store}" + ("" if store.database.exists() else ", made by the first search")
        yield Check("MLflow", state) if problem is None else Check("MLflow", *problem)
        return
    parts = urlsplit(store.uri)
    if not store.is_server or parts.hostname is None:
        yield Check("MLflow", f"{store}, not checked")
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), _SECONDS).close()
        yield Check("MLflow", f"{store} answers")
    except OSError as error:
        remedy = "start the server; searches run without it, and MLflow catches up later"
        yield Check("MLflow", f"{store} does not answer ({error.strerror or error})", remedy)


_LOOKS: tuple[Callable[[Words], Iterator[Check]], ...] = (
    _versions,
    _shadows,
    _devices,
    _space,
    _ray,
    _cluster,
    _mlflow,
)

if __name__ == "__main__":
    sys.exit(main())
