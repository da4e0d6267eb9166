"""Where MLflow keeps its runs, and the command that shows them."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from search.config.schema import TrackingConfig
from search.redact import redact
from search.tracking.credentials import split_credentials


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store.

    Attributes:
        uri: Tracking URI, without credentials if it is a server's.
        artifacts: URI for the artifacts of new experiments; None leaves it to the server.
        user: User name for the server.
        password: Password for the server.
        database: The SQLite file, for the default store.
    """

    uri: str
    artifacts: str | None = None
    user: str | None = None
    password: str | None = None
    database: Path | None = None

    def __str__(self) -> str:
        """For messages: never shows credentials."""
        return redact(self.uri) if self.database is None else str(self.database)

    @property
    def is_server(self) -> bool:
        """Whether it is reached by HTTP."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which MLflow's client gets the credentials, so that no URL carries them."""
        if self.user is None or self.password is None:
            return {}
        return {"MLFLOW_TRACKING_USERNAME": self.user, "MLFLOW_TRACKING_PASSWORD": self.password}


def find_store(folder: Path, config: TrackingConfig) -> Store:
    """The store for the search in `folder`; by default a SQLite file beside it."""
    if config.uri is None:
        parent = folder.resolve().parent
        database = parent / "mlflow.db"
        return Store(f"sqlite:///{database}", (parent / "mlartifacts").as_uri(), database=database)
    if config.uri.startswith(("http://", "https://")):
        uri, user, password = split_credentials(config.uri)
        return Store(uri, user=user, password=password)
    return Store(config.uri)


def ui_command(folder: Path, config: TrackingConfig) -> str | None:
    """What opens MLflow's user interface on the search: a command, or the address of the server.

    None where nothing of the search is there to be opened: it is not tracked, or has not been yet.
    """
    store = find_store(folder, config)
    if not config.enabled or (store.database is not None and not store.database.is_file()):
        return None
    if store.is_server:
        return store.uri
    program = Path(sys.executable).with_name("mlflow")
    # Kept short where it is typed: relative to the working directory if that is shorter.
    shown = min(str(program), os.path.relpath(program), key=len)
    command = [shown, "ui", "--backend-store-uri", redact(store.uri), "--host", "127.0.0.1"]
    return shlex.join(command)
