"""The folder that the search will write: can it be one, and is the place free?"""

from __future__ import annotations

import os
import re
from pathlib import Path

from search.config.checks import parts
from search.config.compose import Composed
from search.record.files import EVENTS

_FOLDER = re.compile(r"\w[\w.-]*")
_LONGEST = 200
_TAKEN = ("mlflow.db", "mlartifacts")


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
        composed.complain(("out",), "holds a name of more than 255 bytes", "give a shorter one")
        return
    for path in (folder, *folder.parents):
        if os.path.lexists(path) and not os.path.isdir(path):
            message = "is a file" if path == folder else f"lies in {path}, which is a file"
            composed.complain(("out",), f"{message}, where a folder belongs", "give another folder")
            return
    _check_writable(composed, folder, name)


def _check_writable(composed: Composed, folder: Path, name: str) -> None:
    """The search's folder, or the nearest above that is there, and its record are this user's to write."""
    own = folder / name if _FOLDER.fullmatch(name) else folder
    record = own / EVENTS
    there = next(path for path in (own, *own.parents) if os.path.lexists(path))
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
            f"{name!r} is what MLflow's own data are named beside the searches",
            "choose another name",
        )
    else:
        folder = Path(os.path.expanduser(parts.text(composed, "out"))) / name
        if not os.path.isfile(folder):
            return
        message, hint = f"{folder} is a file, where the search's folder belongs", "choose another name"
    composed.complain(("name",), message, hint)
