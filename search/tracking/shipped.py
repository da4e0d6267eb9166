"""Up to where MLflow has a search's record, as the tracking process has left a note of."""

from __future__ import annotations

import json
from pathlib import Path

from search.config.schema import TrackingConfig
from search.record.files import EVENTS
from search.tracking.store import Store, find_store
from trainables.replacement import replacement

NOTE = "tracking.json"


def note(folder: Path, store: Store, size: int, page: str) -> None:
    """Notes that the store has everything of the record's first `size` bytes, and the page that shows it."""
    with replacement(folder / NOTE) as part:
        part.write_text(json.dumps({**_noted(store, size), "page": page}) + "\n", encoding="utf-8")


def noted_page(folder: Path, store: Store) -> str:
    """The address of the search's page below that of MLflow's interface; "" before there is one."""
    noted = _read(folder)
    return str(noted.get("page", "")) if noted.get("store") == str(store) else ""


def is_current(folder: Path, config: TrackingConfig) -> bool:
    """Whether the configured store was noted to have the whole record, and its database is still there."""
    try:
        size = (folder / EVENTS).stat().st_size
    except OSError:
        return False
    store = find_store(folder, config)
    there = store.database is None or store.database.exists()
    return there and _noted(store, size).items() <= _read(folder).items()


def _read(folder: Path) -> dict[str, object]:
    try:
        noted = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _noted(store: Store, size: int) -> dict[str, object]:
    return {"store": str(store), "bytes": size}
