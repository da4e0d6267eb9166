"""Whether this machine has what `ray up` is about to bring to the cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from search.clustercheck.document import Document
from search.clustercheck.start import commands, token_mount, token_path
from search.errors import Problem


def unready(document: Document) -> Iterator[Problem]:
    """What keeps `ray up` from working from this machine."""
    for path in document.placeholders():
        yield document.problem(path, f"is still {document.get(*path)}", "set it")
    yield from _mounts(document)
    yield from _token(document)
    if document.get("provider", "type") == "aws" and importlib.util.find_spec("boto3") is None:
        yield document.problem(("provider", "type"), "Ray's AWS provider needs boto3", "pip install boto3")


def _mounts(document: Document) -> Iterator[Problem]:
    mounts = document.get("file_mounts")
    for remote, local in mounts.items() if isinstance(mounts, dict) else ():
        if not Path(str(local)).expanduser().exists():
            yield document.problem(("file_mounts", remote), f"{local} does not exist on this machine")


def _token(document: Document) -> Iterator[Problem]:
    tokens = {token_path(command) for _, command in commands(document) if command.runs("ray", "start")}
    for token in sorted(tokens):
        mount = token_mount(token, document)
        if mount is None:
            continue
        remote, local = mount
        file = Path(local).expanduser() / Path(token).relative_to(remote)
        if not file.is_file() or not file.read_text().strip():
            yield document.problem(("file_mounts", remote), f"no token in {file}", "make it: docs/cluster.md")
        elif file.stat().st_mode & 0o077:
            mode = oct(file.stat().st_mode & 0o777)
            message = f"the token {file} has mode {mode}: others on this machine can read it"
            yield document.problem(("file_mounts", remote), message, f"chmod 600 {file}")
