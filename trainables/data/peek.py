"""A look at the first record of a local data file, to check configuration against it."""

from __future__ import annotations

from typing import Any

from trainables.data.lines import numbered_lines, parse_json
from trainables.data.sources import local_path
from trainables.errors import UserError


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
