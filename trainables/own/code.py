"""Functions in Python files of users: `FILE.py:FUNCTION`. Light: no torch.

Such a file is a program. It runs only once its user has allowed that on the command line; what a file defines
is read from its text, which runs nothing.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from trainables.errors import UserError, first_line
from trainables.nearest import did_you_mean

_ENDING = ".py"
_MOST_BYTES = 2**20
_allowed: set[str] = set()


class Named(NamedTuple):
    """A function of a file, as a configuration names it."""

    file: str
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.function}"

    @property
    def path(self) -> Path:
        """The file, with `~` for the home folder."""
        return Path(os.path.expanduser(self.file))


def named_in(source: str) -> Named | None:
    """The function that a source names; None where it is none of a Python file."""
    file, _, function = source.rpartition(":") if not source.endswith(_ENDING) else (source, "", "")
    return Named(file, function) if file.endswith(_ENDING) else None


def problem_with(named: Named) -> tuple[str, str] | None:
    """What is wrong with a named function, and what to do, without running its file; None for nothing."""
    try:
        tree = ast.parse(read_program(named), named.file)
    except OSError as error:
        return f"{named.file} cannot be read ({error.strerror})", "check the path"
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        why = first_line(error) or "it is nested too deeply"
        return f"{named.file} is not Python: {why}", "correct the file"
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not named.function:
        return (
            f"{named.file} names no function",
            f"write {named.file}:{defined[0] if defined else 'FUNCTION'}",
        )
    if named.function not in defined:
        return f"{named.file} defines no function {named.function!r}", did_you_mean(named.function, defined)
    return None


def read_program(named: Named) -> bytes:
    """The file's bytes.

    Raises:
        OSError: It cannot be read, is no plain file, or has more than 1 MiB.
    """
    path = named.path
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
    with path.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(errno.EFBIG, "it has more than 1 MiB", str(path))
    return data


def allow_only(files: Iterable[str]) -> None:
    """The user of this process allows it to run these files, and no others from now on."""
    allowed = [os.path.realpath(os.path.expanduser(file)) for file in files]
    _allowed.clear()
    _allowed.update(allowed)


def is_allowed(named: Named) -> bool:
    """Whether this process may run the file."""
    return os.path.realpath(named.path) in _allowed


def load_allowed(named: Named, key: str) -> Callable[..., Any]:
    """A function of a file that this process may run.

    Args:
        named: The function.
        key: The configuration's key that names it, for the message.

    Raises:
        UserError: The file is not allowed, or as `load_function`.
    """
    if not is_allowed(named):
        raise UserError(*refusal(named, key))
    return load_function(named)


def refusal(named: Named, key: str) -> tuple[str, str]:
    """Message and hint where a file may not run."""
    message = f"{key}: {named.file} is a Python program, which a search runs only if you allow it."
    return message, f"Read it; to run it, add --allow-code {named.file}."


def load_function(named: Named, digest: str | None = None) -> Callable[..., Any]:
    """Runs the file and returns its function.

    What runs is what is read here: no compiled file that lies beside it, and none is left there.

    Args:
        named: The function.
        digest: What `function_digest` must give for it; None for anything.

    Raises:
        UserError: The file cannot be run, lacks the function, or has another digest.
    """
    try:
        data = read_program(named)
    except OSError as error:
        raise UserError(f"{named} cannot be run: {named.file} cannot be read ({error.strerror}).") from error
    if digest is not None and digest != _digest(data, named.function):
        raise UserError(
            f"{named.file} has changed since the search began.",
            hint="Restore it, or start a new search with it.",
        )
    path = os.path.realpath(named.path)
    module = ModuleType(f"allowed_{hashlib.sha256(data).hexdigest()[:16]}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses look their module up while it runs
    try:
        exec(compile(data, path, "exec", dont_inherit=True), module.__dict__)
        function: Callable[..., Any] = getattr(module, named.function)
    except (Exception, SystemExit) as error:  # a named boundary: a user's program raises what it will
        raise UserError(f"{named} cannot be run: {type(error).__name__}: {first_line(error)}.") from error
    return function


def function_digest(named: Named) -> str:
    """SHA-256 of the file and the function's name, in hexadecimal, wherever the file lies.

    Raises:
        OSError: The file cannot be read.
    """
    return _digest(read_program(named), named.function)


def _digest(data: bytes, function: str) -> str:
    return hashlib.sha256(f"{hashlib.sha256(data).hexdigest()}:{function}".encode()).hexdigest()
