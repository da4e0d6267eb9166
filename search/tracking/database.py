"""Whether MLflow can use an SQLite file, checked without importing MLflow."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

_VERSION = "alembic_version"
"""Table with the revision of the database's layout, as MLflow's migrations leave it."""
_REVISION = re.compile(r"^(?P<down>down_)?revision\b[^=\n]*=\s*\(?\s*[\"'](?P<id>\w+)[\"']", re.MULTILINE)


def database_problem(path: Path) -> tuple[str, str] | None:
    """Why MLflow cannot keep its runs in a file, and what to do; None where it can, or the file is made anew.

    One that another process has locked can be used: MLflow catches up once it is free.
    """
    other = "move it away, give another database with tracking.uri=, or write tracking.enabled=false"
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        return f"{path} is no file, where MLflow keeps its runs", other
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path}, where MLflow keeps its runs, cannot be read and written by this user", other
    try:
        revision = _revision(path)
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return f"{path} is no database, where MLflow keeps its runs ({error})", other
    if revision is None:
        return f"{path} is a database of something else than MLflow", other
    known = dict(_migrations())
    if not known or not revision or known.get(revision) == _NEWEST:
        return None
    if revision not in known:
        return f"{path} was written by another version of MLflow, with the layout {revision}", (
            "install that version, or " + other
        )
    upgrade = shlex.join(["mlflow", "db", "upgrade", f"sqlite:///{path}"])
    return f"{path} was written by an older version of MLflow", f"copy it, then run {upgrade}; or {other}"


_NEWEST, _EARLIER = "newest", "earlier"


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
        found = database.execute(f"SELECT version_num FROM {_VERSION}").fetchone()
        return "" if found is None else str(found[0])


def _migrations() -> Iterator[tuple[str, str]]:
    """The revisions that the installed MLflow knows, and whether each is its newest."""
    found = find_spec("mlflow")
    if found is None or found.origin is None:
        return
    own: set[str] = set()
    earlier: set[str] = set()
    for file in (Path(found.origin).parent / "store" / "db_migrations" / "versions").glob("*.py"):
        for match in _REVISION.finditer(file.read_text(encoding="utf-8")):
            (earlier if match["down"] else own).add(match["id"])
    for revision in own:
        yield revision, _EARLIER if revision in earlier else _NEWEST
