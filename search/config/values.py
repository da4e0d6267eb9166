"""Values of parameters, and texts that name places: folders, addresses of storage and of MLflow."""

from __future__ import annotations

import math
import os
import re
from typing import Annotated, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from search.record.events import Scalar
from trainables.text import Text

_WHOLE = 2**63
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SERVERS = ("http", "https")

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/(?P<rest>.*)", re.DOTALL)
# One slash is enough: `Path` takes the second one away, and so do people.


def _representable(value: Scalar) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a value of a parameter; give a finite number")
    if isinstance(value, int) and not -_WHOLE <= value < _WHOLE:
        raise ValueError("is a number of more than 64 bits; give a smaller one")
    return value


def _folder(value: str) -> str:
    expanded = os.path.expanduser(value)
    if value.startswith("~") and expanded == value:
        raise ValueError(f"there is no home folder {value.split('/')[0]}; write the path out")
    return expanded


def _tracking(value: str) -> str:
    """Refuses what MLflow could not open, in words that do not repeat a password."""
    if "://" not in value:
        raise ValueError(
            "is not a URI; give sqlite:///FILE or http://HOST:PORT, or remove it for a file in `out`"
        )
    scheme = value.partition(":")[0].lower()
    if scheme.partition("+")[0] in _DATABASES:
        return value
    if scheme not in _SERVERS:
        known = ", ".join((*_SERVERS, *_DATABASES))
        raise ValueError(f"has the scheme {scheme[:40]!r}, which is not supported; there are: {known}")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("has no valid host and port; write http://HOST:PORT") from None
    if not host or any(char.isspace() for char in value):
        raise ValueError("has no valid host; write http://HOST:PORT")
    return value


Value: TypeAlias = Annotated[Scalar, AfterValidator(_representable)]
"""A finite value of a parameter; whole numbers have at most 64 bits."""

Whole: TypeAlias = Annotated[int, AfterValidator(_representable)]
"""A whole number of at most 64 bits."""

Folder: TypeAlias = Annotated[Text, AfterValidator(_folder)]
"""Path of a folder, in which `~` is filled in."""

TrackingUri: TypeAlias = Annotated[Text, AfterValidator(_tracking)]
"""Address of an MLflow server or database."""


def uri_problem(value: str) -> tuple[str, str] | None:
    """What is wrong with a URI given for a path, and what would be right; None for a path."""
    match = _URI.match(value)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    if scheme == "file":
        path = "/" + unquote(match["rest"]).lstrip("/")
        return "is a URI, not a path", f"write the path alone: {path}"
    if scheme in ("http", "https"):
        return (
            "is a URL, not a path",
            "download it and give the path, or name it on the hub: org/name",
        )
    return (
        f"is a URI of {scheme[:40]}, but only files and folders can be read and written",
        "give a path; mount the bucket as a folder, or copy its files to one",
    )
