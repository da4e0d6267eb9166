"""Local files of training text: a look at their records, before anything is started."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from trainables.data.lengths import LEAST
from trainables.data.reading import form_of, make_units, refuse_silent
from trainables.data.records import read_records
from trainables.data.sources import LocalFiles
from trainables.data.units import Conversation, Document, Unit
from trainables.errors import UserError
from trainables.settings import TaskConfig

_RECORDS = 10_000
_ROUNDS = 3
_LONG = 1000


def check_form(files: LocalFiles, key: str, task: TaskConfig, *, split: bool) -> None:
    """Looks at up to 10,000 records.

    Args:
        files: The files.
        key: Configuration key, for messages.
        task: Says the form of the records, or the fields by which it is known.
        split: A held-out part is to be split off, which takes two documents.

    Raises:
        UserError: The files are empty or too small, not of the kind that their endings say, of no known form,
            or a record cannot be trained on.
    """
    shown = files.files[0].shown
    records = read_records(files, key, _RECORDS)
    units = make_units(records, form_of(records, task, files.text, key), task, key)
    silent = sum(isinstance(unit, Conversation) and not unit.turns for unit in units)
    refuse_silent(silent, len(units), key)
    if not split or not records.whole:
        return
    if files.text:
        # A token is a byte at least, so that a shorter text cannot give two examples.
        if sum(len(str(record["text"]).encode()) for record in records.rows) <= (task.max_length or LEAST):
            raise UserError(
                f"{key}: {shown} is too short for a part of it to be held out.",
                hint="Give more text, or task.heldout.",
            )
    elif len({repr(unit) for unit in units[:1000]}) < 2 and not _divisible(units):
        count = f"{len(units)} record{'' if len(units) == 1 else 's'}"
        raise UserError(
            f"{key}: {shown} has {count}, none of them different from another.",
            hint="Give two different ones at least, of which one can be held out; or task.heldout.",
        )


def _divisible(units: list[Unit]) -> bool:
    """Whether the one document there is may be long enough to be divided."""
    return isinstance(units[0], Document) and len(units[0].text) > _LONG


def valid_task(section: Mapping[str, Any]) -> TaskConfig:
    """The settings of a task that are valid by themselves, and defaults for the others."""
    data = {"name": "task", "train": "unknown", **section}
    for _ in range(_ROUNDS):
        try:
            return TaskConfig.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            wrong = {str(details["loc"][0]) for details in error.errors() if details["loc"]}
            wrong = wrong or {"prompt", "completion", "format"}
            data = {key: value for key, value in data.items() if key not in wrong}
            data = {"name": "task", "train": "unknown", **data}
    return TaskConfig(name="task", train="unknown")
