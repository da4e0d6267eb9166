"""Functions in Python files of users: `FILE.py:FUNCTION`. Light: no torch.

Such a file is a program. It runs only once its user has allowed that on the command line; what a file defines
is read from its text, which runs nothing.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Callable, Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

from trainables.errors import UserError, first_line
from trainables.nearest import did_you_mean

_ENDING = ".py"
_allowed: set[Path] = set()


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
        tree = ast.parse(named.path.read_bytes(), named.file)
    except OSError as error:
        return f"{named.file} cannot be read ({error.strerror})", "check the path"
    except (SyntaxError, ValueError) as error:
        return f"{named.file} is not Python: {first_line(error)}", "correct the file"
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not named.function:
        return (
            f"{named.file} names no function",
            f"write {named.file}:{defined[0] if defined else 'FUNCTION'}",
        )
    if named.function not in defined:
        return f"{named.file} defines no function {named.function!r}", did_you_mean(named.function, defined)
    return None


def allow(files: Iterable[str]) -> None:
    """The user of this process allows it to run these files."""
    _allowed.update(Path(os.path.expanduser(file)).resolve() for file in files)


def is_allowed(named: Named) -> bool:
    """Whether this process may run the file."""
    return named.path.resolve() in _allowed


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


def load_function(named: Named) -> Callable[..., Any]:
    """Runs the file and returns its function.

    Raises:
        UserError: The file cannot be run, or lacks the function.
    """
    path = named.path.resolve()
    try:
        spec = spec_from_file_location(f"allowed_{digest_of(named)[:16]}", path)
        assert spec is not None and spec.loader is not None  # noqa: PT018 - its name ends in .py
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        function: Callable[..., Any] = getattr(module, named.function)
    except (Exception, SystemExit) as error:  # a named boundary: a user's program raises what it will
        raise UserError(f"{named} cannot be run: {type(error).__name__}: {first_line(error)}.") from error
    return function


def digest_of(named: Named) -> str:
    """SHA-256 of the file, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    return hashlib.sha256(named.path.read_bytes()).hexdigest()
