"""Files that go with the runs once a session has ended: summary, record, report, and what trials trained."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from search.record.explained import explained
from search.record.files import EVENTS
from search.redact import redact
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import SEARCH, trial_key
from search.tracking.writer import Writer

log = logging.getLogger(__name__)

SUMMARY = "summary.json"
REPORT = "report"
TRAINED = "tightrope.adapter"
"""Tag with the checkpoint whose files the artifact holds that a trial leaves behind, such as `adapter`."""


def ship_artifacts(folder: Path, projection: Projection, writer: Writer) -> None:
    """Copies to MLflow the files that it lacks or holds in an older version.

    Args:
        folder: The search's folder.
        projection: Already shipped.
        writer: The writer that shipped it.
    """
    for name in (SUMMARY, "summary.md", EVENTS):
        if (folder / name).is_file():
            _ship_text(folder / name, writer)
    _ship_report(folder / REPORT, writer)
    if projection.started is None:
        return
    name = explained(projection.started).artifact
    for number in _pareto(folder):
        checkpoint = projection.checkpoints.get(number)
        if checkpoint is not None:
            _ship_trained(folder, checkpoint, trial_key(number), name, writer)


def _ship_text(path: Path, writer: Writer) -> None:
    content = redact(path.read_text(encoding="utf-8"))
    _ship({path.name: content.encode()}, path.name, None, writer)


def _ship_report(folder: Path, writer: Writer) -> None:
    if not folder.is_dir():
        return
    # It has no credentials: they are taken out where it is made, before the page's plots are packed.
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    _ship(contents, REPORT, REPORT, writer)


def _ship(contents: Mapping[str, bytes], name: str, subfolder: str | None, writer: Writer) -> None:
    """Logs files with these contents unless the search's run already holds exactly these."""
    digest = hashlib.sha256(
        b"".join(hashlib.sha256(content).digest() for content in contents.values())
    ).hexdigest()
    tag = f"tightrope.sha256.{name}"
    if writer.tag(SEARCH, tag) == digest:
        return
    with TemporaryDirectory() as copies:
        for file, content in contents.items():
            Path(copies, file).write_bytes(content)
        writer.client.log_artifacts(writer.run_id(SEARCH), copies, subfolder)
    writer.set_tag(SEARCH, tag, digest)


def _ship_trained(folder: Path, checkpoint: str, run_key: str, name: str, writer: Writer) -> None:
    # A checkpoint is never changed once it is recorded, so its path says what it holds.
    if writer.tag(run_key, TRAINED) == checkpoint:
        return
    if not (folder / checkpoint).is_dir():
        log.warning("%s is missing, so %s has no %s in MLflow", folder / checkpoint, run_key, name)
        return
    writer.client.log_artifacts(writer.run_id(run_key), str(folder / checkpoint), name.replace(" ", "_"))
    writer.set_tag(run_key, TRAINED, checkpoint)


def _pareto(folder: Path) -> list[int]:
    """Numbers of the Pareto-optimal trials, from the search's summary; empty without one."""
    path = folder / SUMMARY
    if not path.is_file():
        return []
    summary = json.loads(path.read_text(encoding="utf-8"))
    return [int(number) for number in summary.get("pareto", ())]
