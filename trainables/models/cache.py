"""The folder in which prepared models are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$TIGHTROPE_CACHE`, or `~/.cache/tightrope`. It need not exist yet."""
    chosen = os.environ.get("TIGHTROPE_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "tightrope"
