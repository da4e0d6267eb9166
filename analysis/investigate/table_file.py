"""Tables of results from elsewhere: CSV or Parquet, columns by name."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.investigate.errors import InputError
from search.config.nearest import did_you_mean

Cell = str | float | int | bool | None


@dataclass(frozen=True)
class TableFile:
    """A table: its path, and of each column the cells by row."""

    path: Path
    columns: Mapping[str, Sequence[Cell]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def column(self, name: str, option: str) -> Sequence[Cell]:
        """A column's cells.

        Raises:
            InputError: There is no such column.
        """
        if name not in self.columns:
            raise InputError(
                f"{option} {name}: {self.path} has no column {name!r}; it has {', '.join(self.columns)}.",
                hint=did_you_mean(name, self.columns),
            )
        return self.columns[name]

    def numbers(self, name: str, option: str) -> list[float]:
        """A column of numbers; NaN for empty cells. A percent sign is left out, as are blanks.

        Raises:
            InputError: There is no such column, or a cell is no number.
        """
        return [self._number(cell, name, row) for row, cell in enumerate(self.column(name, option))]

    def _number(self, cell: Cell, name: str, row: int) -> float:
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return math.nan
        try:
            return float(cell.strip().removesuffix("%") if isinstance(cell, str) else cell)
        except ValueError:
            message = f"{self.path}: column {name!r} has {cell!r} in row {row + 1}, which is no number."
            raise InputError(message, hint="Leave cells empty where nothing was measured.") from None


def read_table(path: Path) -> TableFile:
    """Reads a table; what does not end in .parquet is read as CSV with a header.

    Raises:
        InputError: The file cannot be read, has no rows, or has rows of another length than its header.
    """
    try:
        columns = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read as a table ({reason}).") from error
    table = TableFile(path, columns)
    if not table.rows:
        raise InputError(f"{path} has no rows.", hint="Give a header and one row per trial.")
    return table


def _read_csv(path: Path) -> dict[str, list[Cell]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    if not rows:
        return {}
    header = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells, and the header has {len(header)}.")
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(header)}


def _read_parquet(path: Path) -> dict[str, list[Cell]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise InputError(f"{path} cannot be read as Parquet ({error}).") from error
    return {name: table.column(name).to_pylist() for name in table.column_names}
