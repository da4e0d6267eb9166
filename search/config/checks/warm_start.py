"""The earlier search that a search begins with."""

from __future__ import annotations

import os
from pathlib import Path

from search.config.checks import parts
from search.config.compose import Composed
from search.record.files import EVENTS

_KEY = ("warm_start", "search")


def check_warm_start(composed: Composed) -> None:
    """Its folder must hold a record, unless this search has begun and its own record has what it needs."""
    given = parts.text(composed, *_KEY)
    if not given or composed.is_broken(_KEY) or _begun(composed):
        return
    folder = Path(os.path.expanduser(given))
    if not folder.is_dir():
        message = f"there is no folder {given}"
    elif not (folder / EVENTS).is_file():
        message = f"{given} holds no search: it has no {EVENTS}"
    else:
        return
    composed.complain(_KEY, message, "give the folder of an earlier search, for example runs/NAME")


def _begun(composed: Composed) -> bool:
    name, out = parts.text(composed, "name"), parts.text(composed, "out")
    return bool(name and out) and (Path(os.path.expanduser(out)) / name / EVENTS).is_file()
