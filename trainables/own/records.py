"""The records that a task of a user yields, as a file that is read like any other. Light: no torch.

They are made once, on the machine that starts the search, and kept by the content of what makes them: workers
get the file, and run nothing.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path

from trainables.errors import UserError, first_line
from trainables.own.code import Named, function_digest, load_allowed, named_in
from trainables.own.functions import TASK, TASK_FUNCTIONS, TaskFunction
from trainables.replacement import replacement
from trainables.text import printable

_FORMS = "A task yields one mapping per record, in a form of docs/data.md."


def makes_records(source: str) -> bool:
    """Whether a source of data is a function that yields them."""
    return source.startswith(TASK) or named_in(source) is not None


def recipe_digest(source: str) -> str:
    """SHA-256 of what makes the records, in hexadecimal.

    Raises:
        OSError: A file cannot be read.
    """
    if (named := named_in(source)) is not None:
        return function_digest(named)
    name = source.removeprefix(TASK)
    file = _source_file(TASK_FUNCTIONS[name]) if name in TASK_FUNCTIONS else None
    content = Path(file).read_bytes() if file is not None else b""
    return hashlib.sha256(f"{name}\0".encode() + content).hexdigest()


def _source_file(function: TaskFunction) -> str | None:
    """The file that a function is written in; None where it has none, as a partial or a built-in one."""
    try:
        return inspect.getsourcefile(function)
    except TypeError:
        return None


def made_records(source: str, key: str, folder: Path) -> Path:
    """The file with the records, which is made where it is not there yet.

    Args:
        source: `FILE.py:FUNCTION`, or `task:NAME`.
        key: The configuration's key that names it, for messages.
        folder: Where such files are kept.

    Raises:
        UserError: The program may not run, cannot, or yields something else.
    """
    named = named_in(source)
    try:
        path = folder / f"{recipe_digest(source)[:32]}.jsonl"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            lines = _lines(source, key, _function(source, named, key))
            with replacement(path, sync=True) as part:
                part.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{key}: the records of {source} cannot be made ({error.strerror}).") from error
    return path


def _function(source: str, named: Named | None, key: str) -> TaskFunction:
    if named is not None:
        return load_allowed(named, key)
    name = source.removeprefix(TASK)
    if name not in TASK_FUNCTIONS:
        raise UserError(f"{key}: there is no installed task {name!r}{TASK_FUNCTIONS.suggestion(name)}.")
    return TASK_FUNCTIONS[name]


def _lines(source: str, key: str, function: TaskFunction) -> list[str]:
    lines: list[str] = []
    try:
        for number, record in enumerate(function(), 1):
            if not isinstance(record, Mapping):
                raise UserError(f"{key}: record {number} of {source} is no mapping.", hint=_FORMS)
            lines.append(json.dumps(dict(record), ensure_ascii=False) + "\n")
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a named boundary: a user's program raises what it will
        message = f"{key}: {source} failed: {type(error).__name__}: {printable(first_line(error))}."
        raise UserError(message, hint=_FORMS) from error
    if not lines:
        raise UserError(f"{key}: {source} yields no records.", hint=_FORMS)
    return lines
