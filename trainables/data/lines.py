"""The lines of a text file, with their numbers."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from trainables.data.sources import local_path
from trainables.errors import UserError


def numbered_lines(path: Path, shown: str) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file that are not blank, each with its number from 1.

    Args:
        path: The file, in UTF-8 with or without a byte order mark.
        shown: How messages name it.

    Raises:
        UserError: A line is not UTF-8.
    """
    with path.open("rb") as stream:
        yield from numbered(stream, shown)


def numbered(stream: IO[bytes], shown: str) -> Iterator[tuple[int, str]]:
    """Like `numbered_lines`, of an open file."""
    for number, line in enumerate(stream, 1):
        raw = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{shown}:{number} is not text in UTF-8", hint="Save it as UTF-8.") from error
        if text.strip():
            yield number, text


def parse_json(line: str, place: str) -> Any:
    """The JSON value of a line.

    Args:
        line: The line.
        place: File and line, for messages.

    Raises:
        UserError: It is not JSON.
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        reason = error.msg if isinstance(error, json.JSONDecodeError) else reason
        raise UserError(f"{place} is not JSON: {reason}", hint="Each line is one JSON object.") from error


def first_record(source: str) -> dict[str, Any] | None:
    """The first record of a JSONL file.

    Args:
        source: As in the configuration: a path, or `embedded:<file>`.

    Returns:
        None where it is no such file, or its first line is no JSON object.
    """
    try:
        _, line = next(numbered_lines(local_path(source, ""), source), (0, ""))
        record = parse_json(line, source)
    except (UserError, OSError):
        return None
    return record if isinstance(record, dict) else None
