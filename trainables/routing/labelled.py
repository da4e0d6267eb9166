"""Which examples show a behaviour, by a label field of the user's records. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.data.examples import Example
from trainables.data.reading import ReadUnits
from trainables.data.tokenise import Cut
from trainables.errors import UserError

KEY = "behaviour.field"

_VALUES = {"true": True, "false": False, "1": True, "0": False}


class Labels:
    """Labels of records, and of the examples that they give.

    Args:
        field: Name of the field.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._labels: dict[int, bool] = {}
        self._examples: list[Example] = []  # identities are of objects that exist

    def of(self, example: Example) -> bool:
        """The label of an example that `take` has seen."""
        return self._labels[id(example)]

    def check(self, read: ReadUnits) -> list[bool]:
        """The labels of records.

        Raises:
            UserError: A record has none.
        """
        if read.stream:
            raise UserError(
                f"{KEY}: plain text has no fields.",
                hint=f"Give JSON, CSV or Parquet with the field {self._field!r}, or use behaviour.name=caps.",
            )
        if read.rejected and self._field in read.judging:
            raise UserError(
                f"{KEY}: {self._field!r} is also how records of the form {read.format.name} say that their "
                "replies are bad ones, which are left out.",
                hint="Give the field another name.",
            )
        return [self._label(record, read, row) for row, record in enumerate(read.records.rows)]

    def take(self, read: ReadUnits, cut: Cut) -> None:
        """Takes the labels of records for their examples.

        Raises:
            UserError: A record has none.
        """
        labels = self.check(read)
        for row, group in zip(read.rows, cut.groups, strict=True):
            self._examples += group
            self._labels.update((id(example), labels[row]) for example in group)

    def _label(self, record: Mapping[str, Any], read: ReadUnits, row: int) -> bool:
        if self._field not in record:
            raise UserError(
                f"{KEY}: {read.records.place(row)} lacks the field {self._field!r}.",
                hint=f"Its fields are {', '.join(map(repr, record))}. Every record needs the label.",
            )
        value = record[self._field]
        # Cells of CSV are text.
        label = _VALUES.get(str(value).strip().lower()) if isinstance(value, bool | int | str) else None
        if label is None:
            raise UserError(
                f"{KEY}: {read.records.place(row)} has {str(value)[:40]!r} in the field {self._field!r}.",
                hint="Labels are true or false, or 1 or 0.",
            )
        return label
