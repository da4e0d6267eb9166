"""A look at the first record of a local data file, to check configuration against it."""

from __future__ import annotations

import json
from typing import Any

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
        with local_path(source, "").open(encoding="utf-8") as stream:
            line = next((line for line in stream if line.strip()), "")
        record = json.loads(line)
    except (UserError, OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
