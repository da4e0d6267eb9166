"""Folders of searches whose trials have left adapters behind, for the tests of `tightrope export`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from search.record import Event, RungReached
from tests.records import write_record
from trainables.serving.checkpoints import seal

ADAPTER = Path(__file__).parents[1] / "fixtures" / "begun_before" / "trials" / "0000" / "rung-2"
"""An adapter of the embedded model, as a search has written it."""


def write_search(folder: Path, events: Sequence[Event]) -> Path:
    """A search's folder; what trials leave behind can be read by its owner alone, as in a real one."""
    write_record(folder, list(events))
    for event in events:
        if isinstance(event, RungReached) and event.checkpoint:
            checkpoint = folder / event.checkpoint
            shutil.copytree(ADAPTER, checkpoint)
            for file in checkpoint.iterdir():
                file.chmod(0o600)
            seal(checkpoint)
    return folder
