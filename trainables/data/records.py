"""Records of a source: of local files, or of a hub data set."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from trainables.data.readers import Record, read_file
from trainables.data.sources import HubDataset, LocalFile, Source
from trainables.errors import UserError, first_line


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
        return list(datasets.load_dataset(source.name, source.config, split=source.split))
    except errors as error:
        raise UserError(
            f"{key}: {source.name} cannot be read: {first_line(error.__cause__ or error)}",
            hint="A hub data set needs the network once, its right name, and its configuration as "
            "task.subset=NAME where it has several.",
        ) from error
