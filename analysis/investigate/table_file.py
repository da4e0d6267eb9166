"""Tables of results from elsewhere, columns by name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from analysis.investigate.errors import InputError
from analysis.investigate.number_text import (
    AmbiguousNumber,
    Mark,
    decimal_marks,
    is_empty,
    is_percentage,
    read_number,
)
from trainables.nearest import did_you_mean

Cell = str | float | int | bool | None


@dataclass(frozen=True)
class TableFile:
    """A table.

    Attributes:
        path: The file.
        names: Of each column; a name may come more than once.
        cells: Of each column the cells by row.
        lines: Of each row its number in the file, the header's being 1 where there is one.
    """

    path: Path
    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    lines: Sequence[int]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    @cached_property
    def marks(self) -> frozenset[Mark]:
        """The decimal marks that numbers of the table have beyond doubt."""
        return decimal_marks(cell for column in self.cells for cell in column if isinstance(cell, str))

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
                hint="Give each column a name of its own.",
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
        except AmbiguousNumber:
            message = f"{self.path}: column {name!r} has {cell!r} in row {line}, which has two readings."
            hint = "Write numbers with a decimal point, and without separators of thousands."
        except (ValueError, TypeError, OverflowError):
            message = f"{self.path}: column {name!r} has {cell!r} in row {line}, which is no number."
            hint = "Leave cells empty where nothing was measured."
        raise InputError(message, hint=hint)

    def value(self, cell: Cell) -> float:
        """A cell's number; NaN where there is none.

        Raises:
            ValueError: It is no number.
            TypeError: It is neither text nor a number.
            OverflowError: It is too large.
        """
        if isinstance(cell, str):
            return read_number(cell, self.marks)
        return math.nan if cell is None else float(cell)


def _is_missing(cell: Cell) -> bool:
    return cell is None or (is_empty(cell) if isinstance(cell, str) else cell != cell)
