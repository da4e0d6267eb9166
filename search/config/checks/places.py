"""Where the search reads and writes: its folder, MLflow's, an earlier search; and no addresses of storage."""

from __future__ import annotations

import os
import re
from pathlib import Path

from search.config.checks import parts
from search.config.composed import Composed
from search.config.origins import Key
from search.config.values import uri_problem
from search.naming import begun_with
from search.record.files import EVENTS
from search.recorded import OUT, NoSearchError, search_folder
from search.tracking.store import database_problem
from trainables.data.sources import user_path
from trainables.settings import CapabilityConfig

_PATHS: tuple[tuple[str, ...], ...] = (
    ("out",),
    ("model", "source"),
    ("task", "train"),
    ("task", "heldout"),
    ("capability", "general_text"),
    ("capability", "facts", "path"),
    ("warm_start", "search"),
    ("audit", "rules"),
)

_FOLDER = re.compile(r"\w[\w.-]*")
_LONGEST = 200
_TAKEN = ("mlflow.db", "mlartifacts")
_SQLITE = "sqlite:///"
_KEY = ("warm_start", "search")


def check_uris(composed: Composed) -> None:
    """Refuses addresses of storage where paths belong; must run before the checks that open the paths."""
    paths: dict[Key, object] = {key: parts.text(composed, *key) for key in _PATHS}
    skills = parts.section(composed, "capability", CapabilityConfig).get("skills")
    for index, skill in parts.mappings_in(skills).items():
        paths["capability", "skills", index, "path"] = skill.get("path")
    for key, value in paths.items():
        problem = uri_problem(value) if isinstance(value, str) else None
        if problem is not None and not composed.is_broken(key):
            composed.complain(key, *problem)


def check_folders(composed: Composed) -> None:
    """The search's name, and the folder `out` that its own lies in."""
    name = parts.text(composed, "name")
    if name and not composed.is_broken(("name",)) and not composed.is_broken(("out",)):
        _check_name(composed, name)
    out = parts.text(composed, "out")
    if not out or composed.is_broken(("out",)):
        return
    folder = Path(os.path.expanduser(out)).absolute()
    if any(len(os.fsencode(part)) > 255 for part in folder.parts):
        composed.complain(("out",), "contains a name of more than 255 bytes", "give a shorter path")
        return
    for path in (folder, *folder.parents):
        if os.path.lexists(path) and not os.path.isdir(path):
            message = "is a file" if path == folder else f"is in {path}, which is a file"
            composed.complain(("out",), f"{message}, not a folder", "give another folder")
            return
    _check_writable(composed, folder, name)


def _check_writable(composed: Composed, folder: Path, name: str) -> None:
    """The user must be able to write the record, and the search's folder or the nearest one that exists."""
    search_folder = folder / name if _FOLDER.fullmatch(name) else folder
    record = search_folder / EVENTS
    there = next(path for path in (search_folder, *search_folder.parents) if os.path.lexists(path))
    for path, access in ((there, os.W_OK | os.X_OK), (record, os.W_OK | os.R_OK)):
        if os.path.lexists(path) and not os.access(path, access):
            composed.complain(("out",), f"{path} cannot be written by this user", "give another folder")
            return


def _check_name(composed: Composed, name: str) -> None:
    if not _FOLDER.fullmatch(name):
        message, hint = (
            f"{name!r} cannot be a folder's name",
            "use letters, digits, `_`, `-` and `.`, without `/`",
        )
    elif len(os.fsencode(name)) > _LONGEST:
        message, hint = "is too long for a folder's name", f"use {_LONGEST} letters at most"
    elif name.casefold().startswith(_TAKEN):
        message, hint = (
            f"{name!r} is the name of MLflow's own data in the folder of searches",
            "choose another name",
        )
    else:
        folder = Path(os.path.expanduser(parts.text(composed, "out"))) / name
        if not os.path.isfile(folder):
            return
        message, hint = f"{folder} is a file, not the search's folder", "choose another name"
    composed.complain(("name",), message, hint)


def check_tracking(composed: Composed) -> None:
    """Checks MLflow's SQLite file and folder of artifacts where they exist."""
    section = composed.data.get("tracking")
    if isinstance(section, dict) and section.get("enabled") is False:
        return
    if composed.is_broken(("tracking",)) or composed.is_broken(("out",)):
        return
    uri = parts.text(composed, "tracking", "uri")
    if uri:
        if uri.startswith(_SQLITE):
            _check(composed, ("tracking", "uri"), Path(uri.removeprefix(_SQLITE).partition("?")[0]))
        return
    out = Path(os.path.expanduser(parts.text(composed, "out")))
    _check(composed, ("out",), out / "mlflow.db")
    artifacts = out / "mlartifacts"
    if os.path.lexists(artifacts) and not artifacts.is_dir() and not composed.is_broken(("out",)):
        composed.complain(
            ("out",),
            f"{artifacts} is where MLflow keeps artifacts, but is not a folder",
            "move it away, or set tracking.enabled=false",
        )


def _check(composed: Composed, key: tuple[str, ...], path: Path) -> None:
    problem = database_problem(path)
    if problem is not None:
        composed.complain(key, *problem)


def check_warm_start(composed: Composed) -> None:
    """The earlier search must have a record, unless this search has begun and holds what it needs itself."""
    given = parts.text(composed, *_KEY)
    if not given or composed.is_broken(_KEY) or _begun(composed):
        return
    try:
        search_folder(given, parts.text(composed, "out") or OUT)
    except NoSearchError as error:
        composed.complain(_KEY, error.message.rstrip("."), error.hint)


def _begun(composed: Composed) -> bool:
    name, out = parts.text(composed, "name"), parts.text(composed, "out")
    return bool(name and out) and bool(begun_with(user_path(out), name, None))
