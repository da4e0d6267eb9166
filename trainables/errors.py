"""Errors of the training side, each of a class that the search knows how to answer."""

from __future__ import annotations


class HintedError(Exception):
    """An error that says what was wrong, and what to do about it.

    Args:
        message: What was wrong, in one sentence, naming the key or file.
        hint: What to do about it, or None where the message already says so.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class TrainableError(HintedError):
    """Base class of the training side's errors."""

    failure_class = "error"


class UserError(TrainableError):
    """The request itself is wrong: a missing file, an unknown module name. Never retried."""

    failure_class = "user"


class WrongParameterError(UserError):
    """A trial cannot be trained as a parameter asks, for what the data or other parameters are.

    Args:
        parameter: Its name.
        message: What was wrong.
        hint: What to do about it.
    """

    def __init__(self, parameter: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.parameter = parameter


class DivergedError(TrainableError):
    """Training produced NaN or Inf. What was measured before is kept."""

    failure_class = "diverged"


class SpikeError(TrainableError):
    """The training loss rose far above what it had been. What was measured before is kept."""

    failure_class = "spike"


class OutOfMemoryError(TrainableError):
    """The device had no memory left for the smallest micro-batch."""

    failure_class = "out_of_memory"


def first_line(error: BaseException) -> str:
    """What an error says, without what libraries add to it; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
