"""Local files of training text: a light look at their form, before anything is started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from trainables.data.lines import numbered_lines, parse_json
from trainables.data.sources import LocalFile
from trainables.errors import UserError

_LINES = 1000
_WHOLE_FILE = 64 * 2**20
_PARQUET = b"PAR1"


def check_form(file: LocalFile, shown: str, fields: Sequence[str], *, split: bool, max_length: int) -> None:
    """Looks at up to 1,000 lines.

    Args:
        file: The file.
        shown: How messages name it.
        fields: The fields that each record must have as text.
        split: A held-out part is to be split off, which takes two documents.
        max_length: Tokens per example, in which plain text is cut.

    Raises:
        UserError: The file is empty or too small, not of the kind that its ending says, or a record lacks a
            field.
    """
    if file.path.stat().st_size == 0:
        raise UserError(f"{shown} is empty")
    if file.format == "parquet":
        _check_parquet(file, shown)
    elif file.format == "text":
        _check_text(file, shown, max_length if split else 0)
    else:
        _check_records(file, shown, fields, 2 if split else 1)


def _check_parquet(file: LocalFile, shown: str) -> None:
    with file.path.open("rb") as stream:
        start = stream.read(4)
        stream.seek(-min(4, file.path.stat().st_size), 2)
        if start != _PARQUET or stream.read() != _PARQUET:
            raise UserError(f"{shown} is no Parquet file")


def _check_text(file: LocalFile, shown: str, least: int) -> None:
    """A token is a byte at least, so that a shorter text cannot give two examples."""
    lines = [line for _, line in islice(numbered_lines(file.path, shown), _LINES)]
    if not lines:
        raise UserError(f"{shown} is empty")
    if len(lines) < _LINES and sum(len(line.encode()) for line in lines) <= least:
        raise UserError(
            f"{shown} is too short for a part of it to be held out",
            hint="Give more text, or task.heldout.",
        )


def _check_records(file: LocalFile, shown: str, fields: Sequence[str], least: int) -> None:
    different: set[str] = set()
    looked = 0
    for place, record in _records(file, shown):
        _check_record(record, place, fields)
        different.add(repr([record[name] for name in fields]))
        looked += 1
        if looked == _LINES:
            return
    if not looked:
        raise UserError(f"{shown} is empty")
    if len(different) < least:
        raise UserError(
            f"{shown} has {looked} record{'' if looked == 1 else 's'}, none of them different from another",
            hint="Give two different ones at least, of which one can be held out; or task.heldout.",
        )


def _records(file: LocalFile, shown: str) -> Iterator[tuple[str, Any]]:
    """Records with their places: one per line, or those of one JSON list."""
    lines = numbered_lines(file.path, shown)
    first = next(lines, None)
    if first is not None and first[1].lstrip().startswith("[") and file.path.suffix == ".json":
        if file.path.stat().st_size <= _WHOLE_FILE:
            whole = parse_json(file.path.read_text(encoding="utf-8-sig"), shown)
            yield from ((f"{shown}, record {index}", record) for index, record in enumerate(whole, 1))
        return
    for number, line in [] if first is None else [first]:
        yield f"{shown}:{number}", parse_json(line, f"{shown}:{number}")
    for number, line in lines:
        yield f"{shown}:{number}", parse_json(line, f"{shown}:{number}")


def _check_record(record: Any, place: str, fields: Sequence[str]) -> None:
    if not isinstance(record, dict):
        raise UserError(f"{place} is no JSON object", hint='Lines are such as {"text": "..."}.')
    for name in fields:
        if not isinstance(record.get(name), str):
            problem = "has no field" if name not in record else "has no text in the field"
            raise UserError(f"{place} {problem} {name!r}", hint=f"Its fields are {', '.join(record)}.")
