"""Names of searches that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.config.schema import SearchConfig
from search.epochs import in_steps
from search.errors import RecordError, SpaceChangedError
from search.record import RecordReader, SearchStarted
from search.record.files import EVENTS
from search.resume import open_record


def under_earlier_name(config: SearchConfig, earlier: str) -> tuple[SearchConfig, list[str]]:
    """The configuration with the space's name alone where its search has begun under that.

    Args:
        config: With the name that follows from the space and the command line.
        earlier: The space's name.

    Returns:
        It, and a note where the search with the space's name is passed over.

    Raises:
        RecordError: The record of that search is damaged.
    """
    out = Path(config.out)
    if earlier == config.name or (out / config.name).exists() or not (out / earlier / EVENTS).exists():
        return config, []
    begun = config.model_copy(update={"name": earlier})
    try:
        if open_record(in_steps(begun).config).state.started is None:
            return config, []
    except RecordError as error:
        raise RecordError(
            f"{error.message} It matters: under the space's name alone, this search may have begun there.",
            hint=f"Restore that record from a copy, or begin a search of its own with name={config.name}.",
        ) from error
    except SpaceChangedError:
        return config, [
            f"The search in {out / earlier} has another configuration and is left as it is; "
            f"this one is {config.name}."
        ]
    return begun, []


def begun_with(out: Path, name: str, earlier: str | None) -> Mapping[str, Any]:
    """The recorded configuration that a search has begun with; empty where it has not, or is unreadable.

    Args:
        out: Where searches lie.
        name: The search's.
        earlier: A name that it may have begun under where there is none with the first one.
    """
    folder = out / name
    if earlier is not None and not folder.exists():
        folder = out / earlier
    try:
        first = next(RecordReader(folder).read_new(), None)
    except RecordError:
        return {}  # said by whoever opens it
    return first.config if isinstance(first, SearchStarted) else {}
