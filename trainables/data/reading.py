"""Reads a task's records and makes of each what is trained on. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainables.data.formats import AUTO, Format, recognise
from trainables.data.records import Records, read_records
from trainables.data.sources import LocalFiles, locate
from trainables.data.units import Unit, WrongRecord
from trainables.errors import UserError
from trainables.settings import TaskConfig


@dataclass(eq=False)
class ReadUnits:
    """Records in a form that training knows.

    Attributes:
        format: Their form.
        units: One for each record.
        records: The records themselves.
        stream: Whether they are the paragraphs of a plain text, which is one.
    """

    format: Format
    units: list[Unit]
    records: Records
    stream: bool


def read_units(source: str | Sequence[str], key: str, task: TaskConfig, most: int = 2**62) -> ReadUnits:
    """Reads a source, and looks at every record.

    Args:
        source: As in the configuration.
        key: Configuration key, for messages.
        task: Says the form, or the fields by which it is known.
        most: Records of local files, at most.

    Raises:
        UserError: It cannot be read, is of no known form, or a record cannot be trained on.
    """
    place = locate(source, key, task.split, task.subset)
    records = read_records(place, key, most)
    stream = isinstance(place, LocalFiles) and place.text
    form = form_of(records, task, stream, key)
    return ReadUnits(form, make_units(records, form, task, key), records, stream)


def form_of(records: Records, task: TaskConfig, stream: bool, key: str) -> Format:
    """The form of records; that of plain text is known.

    Raises:
        UserError: There is none that they fit.
    """
    if stream:
        plain = task.model_copy(update={"format": "text", "text_field": "text"})
        form = recognise(records.rows, plain)
        if task.format not in (AUTO, "text") or task.completion is not None:
            wanted = task.completion or task.format
            raise UserError(
                f"{key}: it is plain text, which has no fields for {wanted!r}.",
                hint="Give JSON, CSV or Parquet, or leave task.format out.",
            )
        return form
    try:
        return recognise(records.rows, task)
    except WrongRecord as error:
        hint = f"{error.hint} python -m search.run --list shows the known forms."
        raise UserError(f"{key}: {records.place(0)} {error.message}.", hint) from error


def make_units(records: Records, form: Format, task: TaskConfig, key: str) -> list[Unit]:
    """What each record is to training.

    Raises:
        UserError: Of the first record that cannot be trained on.
    """
    units = []
    for row, record in enumerate(records.rows):
        try:
            units.append(form.make(record, task))
        except WrongRecord as error:
            hint = error.hint
            if hint is None and row > 0:
                hint = f"All records are read in the form of the first one, {form.name}."
            if task.format != AUTO and row == 0 and "lacks the field" in error.message:
                said = f"task.format={task.format} is set; task.format=auto goes by the fields."
                hint = said if hint is None else f"{hint} {said}"
            raise UserError(f"{key}: {records.place(row)} {error.message}.", hint) from error
    return units


def refuse_silent(silent: int, records: int, key: str) -> None:
    """Refuses data of which most records have no turn of the assistant.

    Args:
        silent: Records that have none.
        records: All records.
        key: Configuration key, for the message.

    Raises:
        UserError: They are more than half.
    """
    if silent * 2 > records:
        raise UserError(
            f"{key}: {silent} of {records} records have no turn of the assistant, and nothing to learn.",
            hint="Conversations need messages of the role assistant; or train on text.",
        )
