"""Shares and percentages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from analysis.investigate.errors import InputError
from analysis.investigate.table_file import TableFile, is_percentage, read_number


def read_shares(
    table: TableFile, columns: Mapping[str, str], percent: bool | None
) -> tuple[dict[str, list[float]], tuple[str, ...]]:
    """Columns of shares or percentages as shares from 0 to 1.

    Numbers with a percent sign are percentages. Columns without have one unit: percentages where a value is
    above 1.

    Args:
        table: The table.
        columns: Names of the columns, by the option that named them.
        percent: Whether numbers without a percent sign are percentages; None decides by their size.

    Returns:
        The shares by option, and sentences about what was decided here.

    Raises:
        InputError: There is no such column, a value is not a share, or the unit of a column is ambiguous.
    """
    shares = {option: table.numbers(column, option) for option, column in columns.items()}
    plain = {option: columns[option] for option in columns if _has_no_sign(table, columns[option], option)}
    notes = []
    scaled = percent
    if scaled is None:
        above = [option for option in plain if any(value > 1 for value in _known(shares[option]))]
        _refuse_unclear(plain, above, shares)
        scaled = bool(above)
        notes += [_PERCENT.format(name=columns[option]) for option in above]
        if not above and len(plain) < len(columns):
            notes += [_SHARES.format(name=column) for column in plain.values()]
    for option, column in columns.items():
        scale = 100 if option in plain and scaled else 1
        _refuse_no_share(shares[option], scale, f"{option} {column}")
        shares[option] = [value / scale for value in shares[option]]
    return shares, tuple(notes)


_PERCENT = "Column {name!r} was read as percentages, since it has values above 1."
_SHARES = (
    "Column {name!r} was read as shares from 0 to 1, since it has no percent signs and no value above 1 "
    "(--percent reads it as percentages)."
)


def read_share(text: str, option: str, percent: bool | None) -> float:
    """One share or percentage as a share; with a percent sign or above 1 it is a percentage.

    Raises:
        InputError: It is neither.
    """
    hint = "Give 0.271, or 27.1% for a percentage."
    try:
        value = read_number(text, "," if "," in text else ".")
    except ValueError:
        raise InputError(f"{option} {text}: {text!r} is not a number.", hint=hint) from None
    if not is_percentage(text) and (percent if percent is not None else value > 1):
        value /= 100
    if not 0 <= value <= 1:
        raise InputError(f"{option} {text} is not a share.", hint=hint)
    return value


def _has_no_sign(table: TableFile, column: str, option: str) -> bool:
    return not table.has_percent_signs(column, option)


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _refuse_unclear(
    plain: Mapping[str, str], above: Sequence[str], shares: Mapping[str, Sequence[float]]
) -> None:
    """Beside percentages a column without a value above 1 may hold small percentages, or shares."""
    for option, column in plain.items():
        if above and option not in above and any(_known(shares[option])):
            raise InputError(
                f"{option} {column}: column {plain[above[0]]!r} holds percentages, and no value of "
                f"{column!r} is above 1: it may hold percentages or shares.",
                hint="Give --percent if all of them are percentages, or write percent signs: 0.5%.",
            )


def _refuse_no_share(values: Sequence[float], scale: int, where: str) -> None:
    for value in values:
        if not math.isnan(value) and not 0 <= value <= scale:
            raise InputError(
                f"{where}: {value:g} is not a {'percentage' if scale > 1 else 'share'}.",
                hint="Shares lie from 0 to 1, percentages from 0 to 100 (--percent).",
            )
