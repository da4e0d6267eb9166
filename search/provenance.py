"""Where a result comes from: package versions, commit, host. Declared fields only, never the environment."""

from __future__ import annotations

import subprocess
from importlib import metadata

_PACKAGES = (
    "tightrope", "ray", "torch", "transformers", "peft", "deepspeed", "optuna", "mlflow", "moocore",
    "datasets",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed version per package that results depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of the working directory, with "+changes" where files differ; None outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    return subprocess.run(
        ("git", *words), capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
