"""Up to where MLflow has a search's record, as the tracking process has left a note of."""

from __future__ import annotations

import json
from pathlib import Path

from search.config.schema import TrackingConfig
from search.record.files import EVENTS
from search.tracking.store import Store, find_store
from trainables.replacement import replacement

NOTE = "tracking.json"


def note(folder: Path, store: Store, size: int) -> None:
    """Notes that the store has everything of the record's first `size` bytes."""
    with replacement(folder / NOTE) as part:
        part.write_text(json.dumps(_noted(store, size)) + "\n", encoding="utf-8")


def is_current(folder: Path, config: TrackingConfig) -> bool:
    """Whether the configured store was noted to have the whole record, and its database is still there."""
    try:
        noted = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        size = (folder / EVENTS).stat().st_size
    except (OSError, ValueError):
        return False
    store = find_store(folder, config)
    there = store.database is None or store.database.exists()
    return there and noted == _noted(store, size)


def _noted(store: Store, size: int) -> dict[str, object]:
    return {"store": str(store), "bytes": size}
