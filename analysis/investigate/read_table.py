"""Reads a table of results: CSV as spreadsheets save it, or Parquet."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from analysis.investigate.errors import InputError
from analysis.investigate.table_file import TableFile

_DELIMITERS = ",;\t"


def read_table(path: Path) -> TableFile:
    """Reads a table; what does not end in .parquet is read as CSV with a header.

    The header tells whether cells are parted by commas, semicolons or tabs.

    Raises:
        InputError: The file cannot be read, has no rows, or has rows of another length than its header.
    """
    try:
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read as a table ({reason}).") from error
    if not table.rows:
        raise InputError(f"{path} has no rows.", hint="Give a header and one row per trial.")
    return table


def _read_csv(path: Path) -> TableFile:
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    if not rows:
        return TableFile(path, (), (), ())
    (_, first), *others = rows
    header = [name.strip() for name in first]
    for line, row in others:
        if len(row) != len(header):
            raise InputError(f"{path}: row {line} has {len(row)} cells, and the header has {len(header)}.")
    cells = [[row[place] for _, row in others] for place in range(len(header))]
    return TableFile(path, header, cells, [line for line, _ in others])


def _text(path: Path) -> str:
    data = path.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not written in UTF-8.", hint="Save it as CSV in UTF-8.") from None


def _delimiter(text: str) -> str:
    """What parts the header into most cells; the comma where none parts it."""
    header = next((line for line in text.splitlines(keepends=True) if line.strip()), "")
    return max(_DELIMITERS, key=lambda mark: _width(header, mark))


def _width(header: str, delimiter: str) -> int:
    cells: Sequence[str] = next(csv.reader([header], delimiter=delimiter), [])
    return len(cells)


def _read_parquet(path: Path) -> TableFile:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise InputError(f"{path} cannot be read as Parquet ({error}).") from error
    cells = [column.to_pylist() for column in table.columns]
    return TableFile(path, table.column_names, cells, range(1, table.num_rows + 1))
