"""Tables of results from elsewhere: CSV as spreadsheets save it, or Parquet; columns by name."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from analysis.investigate.errors import InputError
from trainables.nearest import did_you_mean

Cell: TypeAlias = str | float | int | bool | None
Sign: TypeAlias = Literal[".", ","]

EMPTY = frozenset({"", "-", "na", "n/a", "#n/a", "nan", "null", "none"})
"""What stands for no value, in small letters."""
_DELIMITERS = ",;\t"
_NUMBER = re.compile(r"[+-]?\d*(?P<sign>[.,])\d*(e[+-]?\d+)?\s*%?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}\s*%?")
"""1,000: a thousand, or one with three decimals."""


@dataclass(frozen=True)
class TableFile:
    """A table.

    Attributes:
        path: The file.
        names: Of each column; a name may come more than once.
        cells: Of each column the cells by row.
        lines: Of each row its number in the file, the header's being 1 where there is one.
        decimal: The decimal sign of its numbers; None takes the only one that they have.
    """

    path: Path
    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    lines: Sequence[int]
    decimal: Sign | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    @cached_property
    def sign(self) -> Sign:
        """The decimal sign.

        Raises:
            InputError: It is not given, and the numbers of the table have both signs, or commas that may part
                thousands.
        """
        if self.decimal is not None:
            return self.decimal
        signs = _signs(cell for column in self.cells for cell in column if isinstance(cell, str))
        if len(signs) > 1 or signs == {",": True}:
            have = "points and commas" if len(signs) > 1 else "commas only before three digits"
            raise InputError(
                f"{self.path}: its numbers have {have}, so the decimal sign is ambiguous.",
                hint="Give --decimal . or --decimal , and remove thousands separators.",
            )
        return "," if "," in signs else "."

    def column(self, name: str, option: str) -> Sequence[Cell]:
        """A column's cells.

        Raises:
            InputError: There is no such column, or more than one.
        """
        count = Counter(self.names)[name]
        if not count:
            raise InputError(
                f"{option} {name}: {self.path} has no column {name!r}; it has {', '.join(self.names)}.",
                hint=did_you_mean(name, self.names),
            )
        if count > 1:
            raise InputError(
                f"{option} {name}: {self.path} has {count} columns {name!r}.",
                hint="Give each column its own name.",
            )
        return self.cells[self.names.index(name)]

    def numbers(self, name: str, option: str) -> list[float]:
        """A column of numbers; NaN for cells that are empty, `-`, `NA` or `N/A`. Percentages become shares.

        Raises:
            InputError: There is no such column, a cell is no number, or some have a percent sign and others
                not.
        """
        self.has_percent_signs(name, option)
        return [
            self._number(cell, name, line)
            for cell, line in zip(self.column(name, option), self.lines, strict=True)
        ]

    def has_percent_signs(self, name: str, option: str) -> bool:
        """Whether a column's numbers are written with percent signs.

        Raises:
            InputError: There is no such column, or some have one and others not.
        """
        known = [cell for cell in self.column(name, option) if not _is_missing(cell)]
        signs = {isinstance(cell, str) and is_percentage(cell) for cell in known}
        if len(signs) > 1:
            message = f"{self.path}: column {name!r} mixes numbers with and without a percent sign."
            raise InputError(message, hint="Write all its numbers in one way.")
        return True in signs

    def _number(self, cell: Cell, name: str, line: int) -> float:
        try:
            return self.value(cell)
        except (ValueError, TypeError, OverflowError):
            message = f"{self.path}: column {name!r} has {cell!r} in row {line}, which is not a number."
        hint = "Leave cells empty if nothing was measured."
        if isinstance(cell, str) and _NUMBER.sub("", cell.strip()) != cell.strip():
            other = "," if self.sign == "." else "."
            hint = (
                f"`{self.sign}` was used as the decimal sign; --decimal {other} selects the other one. "
                "Write numbers without thousands separators."
            )
        raise InputError(message, hint=hint)

    def value(self, cell: Cell) -> float:
        """A cell's number; NaN where there is none.

        Raises:
            ValueError: It is no number.
            TypeError: It is neither text nor a number.
            OverflowError: It is too large.
            InputError: The decimal sign is ambiguous.
        """
        if isinstance(cell, str):
            return read_number(cell, self.sign)
        return math.nan if cell is None else float(cell)


def read_number(text: str, sign: Sign) -> float:
    """The number that a text stands for; NaN where it stands for none, a percentage as a share.

    Args:
        text: A cell.
        sign: The decimal sign; the other one, and separators of thousands, are refused.

    Raises:
        ValueError: It is no number.
    """
    if text.strip().lower() in EMPTY:
        return math.nan
    plain = text.strip().removesuffix("%").rstrip()
    if ("," if sign == "." else ".") in plain or "_" in plain:
        raise ValueError(f"{text!r} is not a number with the decimal sign {sign!r}")
    value = float(plain.replace(sign, "."))
    return value / 100 if is_percentage(text) else value


def is_percentage(text: str) -> bool:
    """Whether a number is written with a percent sign."""
    return text.strip().endswith("%")


def _signs(texts: Iterable[str]) -> dict[str, bool]:
    """The decimal signs of the numbers among the texts, and whether each comma may part thousands."""
    signs: dict[str, bool] = {}
    for text in map(str.strip, texts):
        if match := _NUMBER.fullmatch(text):
            grouped = _GROUPED.fullmatch(text) is not None
            signs[match["sign"]] = signs.get(match["sign"], True) and grouped
    return signs


def _is_missing(cell: Cell) -> bool:
    return cell is None or (cell.strip().lower() in EMPTY if isinstance(cell, str) else cell != cell)


def read_table(path: Path, decimal: Sign | None = None) -> TableFile:
    """Reads a table; what does not end in .parquet is read as CSV with a header.

    The header tells whether cells are parted by commas, semicolons or tabs.

    Args:
        path: The file.
        decimal: The decimal sign; None takes the only one that the numbers have.

    Raises:
        InputError: The file cannot be read, has no rows, or has rows of another length than its header.
    """
    try:
        table = _read_parquet(path, decimal) if path.suffix == ".parquet" else _read_csv(path, decimal)
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read as a table ({reason}).") from error
    if not table.rows:
        raise InputError(f"{path} has no rows.", hint="Give a header and one row per trial.")
    return table


def _read_csv(path: Path, decimal: Sign | None) -> TableFile:
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        return TableFile(path, (), (), ())
    (_, first), *others = rows
    header = [name.strip() for name in first]
    for line, row in others:
        if len(row) != len(header):
            raise InputError(f"{path}: row {line} has {len(row)} cells, but the header has {len(header)}.")
    cells = [[row[place] for _, row in others] for place in range(len(header))]
    return TableFile(path, header, cells, [line for line, _ in others], decimal)


def _text(path: Path) -> str:
    data = path.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text.", hint="Save it as CSV in UTF-8.") from None


def _delimiter(text: str) -> str:
    """What parts the header into most cells; the comma where none parts it."""
    header = next((line for line in text.splitlines(keepends=True) if line.strip()), "")
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _read_parquet(path: Path, decimal: Sign | None) -> TableFile:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise InputError(f"{path} cannot be read as Parquet ({error}).") from error
    cells = [column.to_pylist() for column in table.columns]
    return TableFile(path, table.column_names, cells, range(1, table.num_rows + 1), decimal)
