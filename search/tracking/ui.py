"""How a user opens MLflow's interface on a search."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from search.config.schema import TrackingConfig
from search.redact import redact
from search.tracking.shipped import noted_page
from search.tracking.store import find_store

_LOCAL = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens by default."""


def ui_command(folder: Path, config: TrackingConfig) -> str | None:
    """The command that opens MLflow's interface, with the page in a comment; of a server the page.

    None where MLflow has nothing of the search (yet).
    """
    store = find_store(folder, config)
    if not config.enabled or (store.database is not None and not store.database.is_file()):
        return None
    page = noted_page(folder, store)
    if store.is_server:
        return f"{store.uri.rstrip('/')}/{page}" if page else store.uri
    program = Path(sys.executable).with_name("mlflow")
    # Kept short where it is typed: relative to the working directory if that is shorter.
    shown = min(str(program), os.path.relpath(program), key=len)
    command = shlex.join([shown, "ui", "--backend-store-uri", redact(store.uri), "--host", "127.0.0.1"])
    return f"{command}  # then {_LOCAL}/{page}" if page else command
