"""Addresses of storage where a path is wanted: they would be taken for folders with odd names."""

from __future__ import annotations

import re
from urllib.parse import unquote

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/(?P<rest>.*)", re.DOTALL)
# One slash is enough: `Path` takes the second one away, and so do people.


def uri_problem(value: str) -> tuple[str, str] | None:
    """What is wrong with a URI given for a path, and what would be right; None for a path."""
    match = _URI.match(value)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    if scheme == "file":
        path = "/" + unquote(match["rest"]).lstrip("/")
        return "is a URI, where a path belongs", f"write the path alone: {path}"
    if scheme in ("http", "https"):
        return (
            "is a URL, where a path belongs",
            "download it and give the path, or name it on the hub: org/name",
        )
    return (
        f"is a URI of {scheme[:40]}, and only files and folders are read and written",
        "give a path; a bucket can be mounted as a folder, or its files be copied to one",
    )
