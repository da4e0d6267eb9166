"""Errors that a user sees: what was wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainables.errors import HintedError


class TightropeError(HintedError):
    """Base class of every error that the search raises on purpose.

    `exit_code` is the process's: 2 where the input was wrong, 1 where something failed.
    """

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input.

    Attributes:
        key: Dotted configuration key, for example `parameters.lr.low`.
        message: What was wrong with it.
        where: Where the value came from: `file.yaml:12`, or `command line`.
        hint: What would be right.
    """

    key: str
    message: str
    where: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.key}: {self.message} ({self.where})"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class ConfigError(TightropeError):
    """The configuration, or a command line, is not valid; carries every problem, not just the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], what: str = "configuration") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"{count} problem{'' if count == 1 else 's'} in the {what}:"]
        lines += [f"  - {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


class ClusterError(TightropeError):
    """The cluster cannot be reached or started, or cannot hold a single worker group."""


class RecordError(TightropeError):
    """A search's record cannot be read, or another process is writing it."""


class SpaceChangedError(TightropeError):
    """A search is to be resumed with a configuration that differs from the recorded one."""

    exit_code = 2
