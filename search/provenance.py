"""Where a result comes from: package versions, commit, host. Declared fields only, never the environment."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from importlib import metadata

from search.config.schema import SearchConfig
from trainables.specs import TRAINABLES

_PACKAGES = (
    "tightrope", "ray", "torch", "transformers", "peft", "deepspeed", "optuna", "mlflow", "moocore",
    "datasets",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed version per package that results depend on."""
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


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


PREFIX = "content."
"""What the keys of the record's fingerprints begin with that are these."""


def contents(config: SearchConfig) -> dict[str, str]:
    """By configuration key, `sha256:` and a digest of what lies there, or `name:` and a name of the hub.

    What cannot be read is left out.
    """
    return dict(TRAINABLES[config.trainable].contents(config.options))


def changed(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The keys that are known to name something else than they did.

    A file that was a hub's data set before may hold the same: that is for the workers to say.
    """
    return [
        key
        for key in recorded.keys() & now.keys()
        if recorded[key] != now[key] and _kind(recorded[key]) == _kind(now[key])
    ]


def _kind(content: str) -> str:
    return content.partition(":")[0]
