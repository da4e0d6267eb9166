"""Where MLflow keeps its runs: the store, its SQLite file and lock."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from search.config.schema import TrackingConfig
from search.redact import HIDDEN, redact

_VERSION = "alembic_version"
"""Table with the revision of the database's layout, as MLflow's migrations leave it."""
_REVISION = re.compile(r"^(?P<down>down_)?revision\b[^=\n]*=\s*\(?\s*[\"'](?P<id>\w+)[\"']", re.MULTILINE)
_NEWEST, _EARLIER = "newest", "earlier"


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Takes user name and password out of an HTTP URL.

    Returns:
        The URL without them, and both in clear; None where absent, or hidden by `redact`.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None, None
    clean = urlunsplit(parts._replace(netloc=host))
    if userinfo == HIDDEN:
        return clean, None, None
    user, _, password = userinfo.partition(":")
    return clean, unquote(user), unquote(password)


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


def database_problem(path: Path) -> tuple[str, str] | None:
    """Why MLflow cannot keep its runs in a file, and what to do; None where it can, or the file is made anew.

    One that another process has locked can be used: MLflow catches up once it is free.
    """
    other = "move it away, give another database with tracking.uri=, or set tracking.enabled=false"
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        return f"{path} is where MLflow keeps its runs, but is not a file", other
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path}, where MLflow keeps its runs, is not readable and writable for this user", other
    try:
        revision = _revision(path)
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return f"{path} is where MLflow keeps its runs, but is not a database ({error})", other
    if revision is None:
        return f"{path} is a database, but not MLflow's", other
    known = dict(_migrations())
    if not known or not revision or known.get(revision) == _NEWEST:
        return None
    if revision not in known:
        return f"{path} was written by another version of MLflow, with the layout {revision}", (
            "install that version, or " + other
        )
    upgrade = shlex.join(["mlflow", "db", "upgrade", f"sqlite:///{path}"])
    return f"{path} was written by an older version of MLflow", f"copy it, then run {upgrade}; or {other}"


def _revision(path: Path) -> str | None:
    """The revision of the layout; "" of a database with no tables yet, None of one that is not MLflow's.

    Raises:
        sqlite3.DatabaseError: It is no database.
        sqlite3.OperationalError: It is one, and is locked.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return ""
        if _VERSION not in tables:
            return None
        row = database.execute(f"SELECT version_num FROM {_VERSION}").fetchone()
        return "" if row is None else str(row[0])


def _migrations() -> Iterator[tuple[str, str]]:
    """The revisions that the installed MLflow knows, and whether each is its newest."""
    package = find_spec("mlflow")
    if package is None or package.origin is None:
        return
    revisions: set[str] = set()
    earlier: set[str] = set()
    for file in (Path(package.origin).parent / "store" / "db_migrations" / "versions").glob("*.py"):
        for match in _REVISION.finditer(file.read_text(encoding="utf-8")):
            (earlier if match["down"] else revisions).add(match["id"])
    for revision in revisions:
        yield revision, _EARLIER if revision in earlier else _NEWEST


@contextmanager
def file_lock(path: Path, wait: bool) -> Iterator[bool]:
    """Holds the lock on `path`, which the kernel gives up when the process ends in any way.

    Args:
        path: File of the lock; made where absent.
        wait: Whether to wait for it.

    Yields:
        Whether the lock is held; always True with `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(descriptor)
