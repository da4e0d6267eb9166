"""Reads a task's records and makes of each what is trained on. Light: no torch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from trainables.data.formats import AUTO, Format, recognise, rejects, unused_fields
from trainables.data.readers import Record, present, read_file
from trainables.data.sources import HubDataset, LocalFile, LocalFiles, Source, locate
from trainables.data.units import Unit, WrongRecord
from trainables.errors import UserError, first_line
from trainables.settings import TaskConfig


@dataclass(eq=False)
class Records:
    """Records in the order of their source.

    Attributes:
        rows: The records.
        whole: Whether they are all that the source has.
    """

    rows: list[Record] = field(default_factory=list)
    whole: bool = True
    _places: list[str] = field(default_factory=list)
    _files: list[tuple[int, str]] = field(default_factory=list)

    def place(self, row: int) -> str:
        """Where a record stands, for messages."""
        if not self._files:
            return f"record {row + 1}"
        _, shown = self._files[bisect_right(self._files, row, key=lambda pair: pair[0]) - 1]
        return f"{shown}{self._places[row]}"

    def add(self, file: LocalFile, most: int) -> None:
        """Reads a file, until there are `most` records.

        Raises:
            UserError: It cannot be read.
        """
        self._files.append((len(self.rows), file.shown))
        for place, record in read_file(file):
            if len(self.rows) >= most:
                self.whole = False
                return
            self.rows.append(record)
            self._places.append(place)


def read_records(source: Source, key: str, most: int = 2**62) -> Records:
    """The records of a source, in its order.

    Plain text gives one record {"text": paragraph} per paragraph (paragraphs are divided by blank
    lines). What a local file says is taken as it is: a date in JSON or CSV stays text.

    Args:
        source: From `locate`.
        key: Configuration key, for messages.
        most: Records of local files, at most.

    Raises:
        UserError: The source cannot be read or is empty.
    """
    records = Records()
    if isinstance(source, HubDataset):
        records.rows = _read_hub(source, key)
        shown = f"{source.name} ({source.split})"
    else:
        shown = source.files[0].shown
        try:
            for file in source.files:
                records.add(file, most)
        except UserError as error:
            raise UserError(f"{key}: {error.message.rstrip('.')}.", error.hint) from error
    if not records.rows:
        raise UserError(f"{key}: {shown} is empty.", hint="Give a file with at least two records.")
    return records


def _read_hub(source: HubDataset, key: str) -> list[Record]:
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    # The library wraps what a reader raises into its own error; pyarrow's errors are ValueErrors.
    errors = (datasets.exceptions.DatasetsError, ValueError, OSError)
    try:
        rows = datasets.load_dataset(source.name, source.config, split=source.split)
        return [present(row) for row in rows]
    except errors as error:
        raise UserError(
            f"{key}: {source.name} cannot be read: {first_line(error.__cause__ or error)}",
            hint="A hub data set needs the network once, its exact name, and task.subset=NAME if it has "
            "several configurations.",
        ) from error


@dataclass(eq=False)
class ReadUnits:
    """Records in a form that training knows.

    Attributes:
        format: Their form.
        units: One for each record, unless the form makes several of one.
        records: The records themselves.
        stream: Whether they are the paragraphs of a plain text, which is one.
        rows: The record of each unit.
        heldout: What the records hold out themselves; None where a part of them is to be held out.
        rejected: Records that are left out, as they say that their replies are bad ones.
        unused: Fields of the first records that hold something which is not trained on.
        judging: Fields by which records say whether their replies are good ones.
    """

    format: Format
    units: list[Unit]
    records: Records
    stream: bool
    rows: Sequence[int]
    heldout: ReadUnits | None = None
    rejected: int = 0
    unused: tuple[str, ...] = ()
    judging: tuple[str, ...] = ()

    def place(self, unit: int) -> str:
        """Where a unit's record stands, for messages."""
        return self.records.place(self.rows[unit])


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
    units, rows = make_units(records, form, task, key)
    judging = form.judging(records.rows)
    rejected = sum(rejects(record, judging) for record in records.rows)
    unused = () if stream else unused_fields(records.rows, task, form, judging)
    read = ReadUnits(form, units, records, stream, rows, rejected=rejected, unused=unused, judging=judging)
    if form.heldout is not None:
        made = [form.heldout(record, task) for record in records.rows]
        rows = [row for row, units in enumerate(made) for _ in units]
        read.heldout = ReadUnits(form, [*chain.from_iterable(made)], records, stream, rows)
    return read


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
                f"{key}: plain text has no fields for {wanted!r}.",
                hint="Give JSON, CSV or Parquet, or remove task.format.",
            )
        return form
    try:
        return recognise(records.rows, task)
    except WrongRecord as error:
        hint = f"{error.hint} python -m search.run --list shows the known forms."
        raise UserError(f"{key}: {records.place(0)} {error.message}.", hint) from error


def make_units(
    records: Records, form: Format, task: TaskConfig, key: str
) -> tuple[list[Unit], Sequence[int]]:
    """What the records are to training, and the record of each unit.

    Raises:
        UserError: Of the first record that cannot be trained on; or all replies are bad ones.
    """
    units: list[Unit] = []
    rows: list[int] = []
    judging = form.judging(records.rows)
    for row, record in enumerate(records.rows):
        if rejects(record, judging):
            continue
        try:
            made = form.make(record, task)
            units += made if isinstance(made, Sequence) else [made]
            rows += [row] * (len(units) - len(rows))
        except WrongRecord as error:
            hint = error.hint
            if hint is None and row > 0:
                hint = f"All records are read in the form of the first one, {form.name}."
            if task.format != AUTO and row == 0 and "lacks the field" in error.message:
                said = (
                    f"task.format={task.format} is set; task.format=auto recognises the form by the fields."
                )
                hint = said if hint is None else f"{hint} {said}"
            raise UserError(f"{key}: {records.place(row)} {error.message}.", hint) from error
    if not units and records.whole:
        raise UserError(
            f"{key}: every reply is labelled as a bad one ({' or '.join(judging)}: false).",
            hint="Give records with good replies, or rename that field if it means something else.",
        )
    return units, rows


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
            f"{key}: {silent} of {records} records have no assistant turn, so there is nothing to learn.",
            hint="Conversations need messages of the role assistant; or train on text.",
        )
