"""What this process would train with: versions of packages that results depend on, and the code itself."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

_PACKAGES = ("ray", "torch", "transformers", "tokenizers", "peft", "safetensors", "deepspeed", "datasets")
CODE = "code"


@cache
def training_versions() -> Mapping[str, str]:
    """Python's minor version, those of packages without what tells builds apart, and a digest of our code.

    The same release for CPUs and for GPUs counts as the same.
    """
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return versions | {CODE: digest.hexdigest()[:12]}


def differences(there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """In words, what this machine has that is not as it is there.

    Args:
        there: Of the machine that the search runs on.
        here: Of this one.
    """
    return [
        f"{_shown(name)} {here.get(name, 'is missing')} instead of {version}"
        for name, version in there.items()
        if here.get(name) != version
    ]


def _shown(name: str) -> str:
    return "Tightrope's code" if name == CODE else name
