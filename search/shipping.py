"""Brings this machine's code to every node of a cluster, whatever code the nodes have themselves."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_PACKAGES = ("search", "analysis", "trainables")
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray for what `ray job submit` starts."""


@contextmanager
def shipped_code() -> Iterator[dict[str, Any]]:
    """Options for `ray.init`, which sends the code on its way; to be left once that has returned.

    As the working directory, and not as modules: without one Ray puts the driver's current directory first on
    every node's path, where other code may lie. A job that was submitted with a working directory
    has brought its code already.
    """
    job = json.loads(os.environ.get(_JOB, "{}"))
    if job.get("runtime_env", {}).get("working_dir"):
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="tightrope-") as folder:
        archive = Path(folder) / "code.zip"
        _pack(archive)
        yield {"runtime_env": {"working_dir": str(archive)}}


def _pack(archive: Path) -> None:
    """Packs the code, never twice in the same bytes: Ray would take a package away with the job before."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        file.comment = os.urandom(16)
        for name in _PACKAGES:
            spec = find_spec(name)
            assert spec is not None and spec.origin is not None  # noqa: PT018 - they are parts of one another
            root = Path(spec.origin).parent
            for path in sorted(root.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    info = ZipInfo(f"{name}/{path.relative_to(root).as_posix()}")
                    info.external_attr = 0o644 << 16
                    info.compress_type = ZIP_DEFLATED
                    file.writestr(info, path.read_bytes())
