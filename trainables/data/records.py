"""Reads records through `datasets`."""

from __future__ import annotations

import tempfile
from typing import Any

from trainables.data.sources import HubDataset, LocalFile
from trainables.errors import UserError

Record = dict[str, Any]


def read_records(source: LocalFile | HubDataset, key: str) -> list[Record]:
    """All records of a source, in its order.

    Plain text gives one record {"text": paragraph} per paragraph (paragraphs are divided by blank
    lines). Local files are read into memory and leave nothing in the shared cache of `datasets`.

    Args:
        source: From `locate`.
        key: Configuration key, for messages.

    Raises:
        UserError: The source cannot be read or is empty.
    """
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    # The library wraps what a reader raises into its own error; pyarrow's errors are ValueErrors.
    errors = (datasets.exceptions.DatasetsError, ValueError, OSError)
    try:
        records = _read_file(source) if isinstance(source, LocalFile) else _read_hub(source)
    except errors as error:
        place = source.path if isinstance(source, LocalFile) else source.name
        cause = error.__cause__ or error
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise UserError(
            f"{key}: {place} cannot be read: {reason}",
            hint="Local files are JSONL, Parquet or plain text in UTF-8; a hub data set needs the network "
            "once, its right name, and its configuration as name:config where it has several.",
        ) from error
    if not records:
        raise UserError(f"{key}: {_place(source)} is empty.", hint="Give a file with at least two records.")
    return records


def _place(source: LocalFile | HubDataset) -> str:
    return str(source.path) if isinstance(source, LocalFile) else f"{source.name} ({source.split})"


def _read_file(source: LocalFile) -> list[Record]:
    import datasets

    if source.path.stat().st_size == 0:
        return []
    with tempfile.TemporaryDirectory(prefix="tightrope-") as cache:
        options: dict[str, Any] = {"cache_dir": cache, "keep_in_memory": True}
        path = str(source.path)
        if source.format == "json":
            loaded = datasets.Dataset.from_json(path, **options)
        elif source.format == "parquet":
            loaded = datasets.Dataset.from_parquet(path, **options)
        else:
            loaded = datasets.Dataset.from_text(path, sample_by="paragraph", **options)
        return list(loaded)


def _read_hub(source: HubDataset) -> list[Record]:
    import datasets

    return list(datasets.load_dataset(source.name, source.config, split=source.split))
