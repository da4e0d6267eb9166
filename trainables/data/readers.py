"""Reads local files as records, with what the file says: no types are guessed. Light: no torch."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import IO, Any, TypeAlias

from trainables.data.lines import numbered, parse_json
from trainables.data.sources import Kind, LocalFile
from trainables.errors import UserError

Record: TypeAlias = dict[str, Any]
Placed: TypeAlias = Iterator[tuple[str, Record]]
"""Records, each with its place in the file: ":17" is its line, ", record 17" its number."""

_PARQUET = b"PAR1"
_LARGEST_FIELD = 2**31 - 1
_ROWS_AT_ONCE = 1000
_CHUNK = 2**20
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SAVE = "Save it as UTF-8."


def read_file(file: LocalFile) -> Placed:
    """Records of a file, each with its place in it.

    Raises:
        UserError: It cannot be read as what its ending says.
    """
    try:
        with file.path.open("rb") as stream:
            if file.packed:
                with gzip.open(stream) as unpacked:
                    yield from _READERS[file.format](unpacked, file)
            else:
                yield from _READERS[file.format](stream, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{file.shown} cannot be unpacked: {error}", hint=("Is it a complete gzip file?")
        ) from error
    except OSError as error:
        raise UserError(f"{file.shown} cannot be read: {error.strerror or error}") from error


def _json(stream: IO[bytes], file: LocalFile) -> Placed:
    """JSON objects one a line, or one JSON list of them, or an object that holds one such list.

    The only line of a file that says to have one object a line is a record, whatever lists it holds.
    """
    lines = numbered(stream, file.shown)
    first = next(lines, None)
    if first is None:
        return
    second = next(lines, None)
    rest = chain([first], [] if second is None else [second], lines)
    by_line = not {".jsonl", ".ndjson"}.isdisjoint(map(str.lower, file.path.suffixes))
    if second is None and by_line and isinstance(record := _or_none(first[1]), dict):
        yield from _counted([record])
        return
    if second is None or first[1].lstrip().startswith("[") or not isinstance(_or_none(first[1]), dict):
        whole = "".join(text for _, text in rest)
        yield from _counted(_listed(whole, first, file.shown))
        return
    for number, line in rest:
        place = f"{file.shown}:{number}"
        yield f":{number}", _object(parse_json(line, place), place)


def _counted(records: Iterable[Record]) -> Placed:
    return ((f", record {number}", record) for number, record in enumerate(records, 1))


def _listed(text: str, first: tuple[int, str], shown: str) -> list[Record]:
    """Records of a file that is one JSON value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        number, line = first
        if line.lstrip().startswith("[") and isinstance(_or_none(line), list):
            raise UserError(f"{shown}:{number} is not a JSON object", hint=_EXAMPLE) from None
        if not line.lstrip().startswith("["):
            parse_json(line, f"{shown}:{number}")  # raises, and names the line
        value = parse_json(text, shown)
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if _is_list_of_objects(inner)]
        value = lists[0] if len(lists) == 1 and not _is_conversation(lists[0]) else [value]
    if not isinstance(value, list):
        raise UserError(f"{shown} contains no JSON objects", hint=_EXAMPLE)
    return [_object(record, f"{shown}, record {index}") for index, record in enumerate(value, 1)]


_EXAMPLE = 'A line looks like {"text": "..."}.'


def _or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)


def _is_conversation(value: list[Record]) -> bool:
    return any(name in value[0] for name in ("role", "from"))


def _object(value: Any, place: str) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{place} is not a JSON object", hint=_EXAMPLE)
    return value


def _csv(stream: IO[bytes], file: LocalFile) -> Placed:
    """Rows below a header; every value is text."""
    csv.field_size_limit(_LARGEST_FIELD)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    number = 0
    try:
        above, first = next(((at, line) for at, line in enumerate(text) if line.strip()), (0, ""))
        number = above
        bare = _QUOTED.sub("", first)  # names may hold what separates those of other files
        marks = "\t" if file.format == "tsv" else next((mark for mark in ",;\t" if mark in bare), ",")
        plain = marks == "\t" and _quotes_are_text(chain([first], text))
        if marks == "\t":
            text.seek(0)
            first = next(islice(text, above, None), "")
        rows = csv.reader(
            chain([first], text),
            delimiter=marks,
            strict=True,
            quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        )
        header = next(rows, [])
        unnamed = int(len(header) > 1 and not header[0])  # pandas writes its index so
        _check_header(header[unnamed:], file.shown)
        number = above + rows.line_num
        for row in rows:
            number = above + rows.line_num
            place = f"{file.shown}:{number}"
            if any("\0" in value for value in row):
                raise UserError(f"{place} contains NUL bytes, so it is not text", hint=_SAVE)
            if row and len(row) != len(header):
                raise UserError(
                    f"{place} has {len(row)} values, but the header names {len(header)}",
                    hint="Put values that contain the separator or a line break in double quotes.",
                )
            if row:
                yield f":{number}", dict(zip(header[unnamed:], row[unnamed:], strict=True))
    except csv.Error as error:
        hint = "A value that begins with a double quote ends with one; quotes within it are doubled."
        raise UserError(f"{file.shown}:{number + 1} is not CSV: {error}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file.shown}, after line {max(1, number)}, is not text in UTF-8", hint=_SAVE
        ) from error


def _quotes_are_text(lines: Iterable[str]) -> bool:
    """Whether values between tabs begin with quotes that do not enclose them, as in tables without quoting.

    Every line is then a row; in tables with quoting, values with tabs and line breaks are in quotes, and the
    lines are of different lengths.
    """
    width, text = None, False
    try:
        for line in lines:
            values = line.rstrip("\r\n").split("\t")
            width = width or len(values)
            if line.strip("\r\n") and len(values) != width:
                return False
            text |= any(value.startswith('"') and not _QUOTED.fullmatch(value) for value in values)
    except UnicodeDecodeError:
        return False  # as reading the rows will say, with their place
    return text


def _check_header(header: Sequence[str], shown: str) -> None:
    if len(set(header)) < len(header) or not all(name.strip() for name in header):
        raise UserError(
            f"{shown}:1 is not a header: a name is empty or appears twice",
            hint="The first line must name the columns.",
        )


def _parquet(stream: IO[bytes], file: LocalFile) -> Placed:
    from pyarrow import parquet

    if stream.read(4) != _PARQUET:
        raise UserError(f"{file.shown} is not a Parquet file")
    stream.seek(0)
    try:
        batches = parquet.ParquetFile(stream).iter_batches(_ROWS_AT_ONCE)
        yield from _counted(present(row) for batch in batches for row in batch.to_pylist())
    except (OSError, MemoryError):
        raise
    except Exception as error:  # not pyarrow's alone: a time zone that is unknown here gives pytz's
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{file.shown} cannot be read as Parquet: {reason}") from error


def present(row: Record) -> Record:
    """A row of a table without the nulls that objects within it are filled up with.

    A column of objects has the fields of all of them: what an object does not have is null there.
    """
    return {name: _without_nulls(value) for name, value in row.items()}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _text(stream: IO[bytes], file: LocalFile) -> Placed:
    """Paragraphs, which are divided by blank lines."""
    yield from _counted({"text": part} for part in _paragraphs(stream, file.shown) if part)


def _paragraphs(stream: IO[bytes], shown: str) -> Iterator[str]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig")  # every kind of line's end is read as \n
    kept, lines = "", 1
    try:
        while chunk := text.read(_CHUNK):
            if "\0" in chunk:
                line = lines + chunk.count("\n", 0, chunk.index("\0"))
                raise UserError(f"{shown}:{line} contains NUL bytes, so it is not text", hint=_SAVE)
            lines += chunk.count("\n")
            *parts, kept = (kept + chunk).split("\n\n")
            yield from parts
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}, after line {lines}, is not text in UTF-8", hint=_SAVE) from error
    yield kept


_READERS: dict[Kind, Callable[[Any, LocalFile], Placed]] = {
    "json": _json,
    "csv": _csv,
    "tsv": _csv,
    "parquet": _parquet,
    "text": _text,
}
