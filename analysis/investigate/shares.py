"""Shares and percentages."""

from __future__ import annotations

import math

from analysis.investigate.errors import InputError
from analysis.investigate.table_file import TableFile


def as_shares(
    table: TableFile, column: str, option: str, percent: bool | None
) -> tuple[list[float], str | None]:
    """A column of shares or percentages as shares from 0 to 1.

    Args:
        table: The table.
        column: The column's name.
        option: The option that named it, for messages.
        percent: Whether they are percentages; None takes them as such where one is above 1.

    Returns:
        The shares, and a sentence where it was decided here that they are percentages.

    Raises:
        InputError: There is no such column, or a value is no share.
    """
    values = table.numbers(column, option)
    known = [value for value in values if math.isfinite(value)]
    found = percent if percent is not None else any(value > 1 for value in known)
    for value in known:
        if not 0 <= value <= (100 if found else 1):
            raise InputError(
                f"{option} {column}: {value:g} is no {'percentage' if found else 'share'}.",
                hint="Shares lie from 0 to 1, percentages from 0 to 100 (--percent).",
            )
    if not found:
        return values, None
    note = None if percent else f"Column {column!r} was read as percentages, since it has values above 1."
    return [value / 100 for value in values], note


def as_share(value: float, option: str, percent: bool | None) -> float:
    """One share or percentage as a share; above 1 it is a percentage.

    Raises:
        InputError: It is neither.
    """
    found = percent if percent is not None else value > 1
    share = value / 100 if found else value
    if not 0 <= share <= 1:
        raise InputError(f"{option} {value:g} is no share.", hint="Give 0.271, or 27.1 for a percentage.")
    return share
