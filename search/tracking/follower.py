"""Tailing a record into MLflow, across restarts of the server."""

from __future__ import annotations

import logging
import os
import platform
import time
from pathlib import Path

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from search.config.schema import TrackingConfig
from search.record import RecordReader
from search.tracking.artifacts import ship_artifacts
from search.tracking.mlflow_projection import Projection
from search.tracking.process import TRACKING
from search.tracking.shipped import note
from search.tracking.store import Store, find_store
from search.tracking.writer import Writer

log = logging.getLogger(__name__)

UNREACHABLE = (MlflowException, requests.RequestException, OperationalError, OSError)
"""What MLflow's client raises where the store is away, refuses, is locked or is full."""

TICK_SECONDS = 1.0
MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 5.0


class Parent:
    """The process with which the follower ends; None stands for one that never ends."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        # A child sees its parent's end at once and for sure; a pid alone may be a zombie, or used again.
        self._is_ours = pid is not None and os.getppid() == pid

    def is_gone(self) -> bool:
        """Whether it has ended."""
        if self.pid is None:
            return False
        return os.getppid() != self.pid if self._is_ours else not process_exists(self.pid)


def process_exists(pid: int) -> bool:
    """Whether a process with this number exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Shipper:
    """Reads what is new in the record and writes it to MLflow.

    Args:
        folder: The search's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.projection = Projection()
        self._folder = folder
        self._reader = RecordReader(folder)
        self._writer: Writer | None = None
        self._unsure = False
        self.store: Store | None = None
        self.page = ""

    def read(self) -> None:
        """Reads what was appended to the record.

        Raises:
            RecordError: It is not a record.
        """
        for event in self._reader.read_new():
            self.projection.apply(event)

    def ship(self, last: bool) -> None:
        """Writes everything read so far, and the artifacts if the search has ended.

        Args:
            last: Nothing will follow. Where an earlier call failed, or somebody else began to write, this one
                looks once more at what MLflow holds: a request of which nobody knows may have been executed
                after its repetition.

        Raises:
            UNREACHABLE: Not everything could be written; the next call begins by reading what was.
            DeletedExperimentError: MLflow's experiment has been deleted.
        """
        if self.projection.started is None:
            return
        try:
            self._write()
            if last and self._unsure:
                self._writer = None
                self._write()
                self._unsure = False
            if last and self.store is not None:
                note(self._folder, self.store, self._reader.offset, self.page)
        except UNREACHABLE:
            self._writer = None
            self._unsure = True
            raise

    def _write(self) -> None:
        if self._writer is None:
            self._writer = self._connect()
            self.projection.changed |= set(self.projection.runs)
        self._writer.ship(self.projection)
        if self.projection.started is not None:
            self.page = self._writer.show(self.projection.started)
        if self.projection.ended is not None:
            ship_artifacts(self._folder, self.projection, self._writer)

    def _connect(self) -> Writer:
        started = self.projection.started
        assert started is not None
        config = tracking_config(started.config)
        self.store = find_store(self._folder, config)
        os.environ.update(self.store.environment)
        writer = Writer(self.store, config.experiment, started.search_id)
        self._unsure |= writer.resumed
        return writer


def tracking_config(recorded: dict[str, object]) -> TrackingConfig:
    """The configuration of MLflow that the driver handed over, else the recorded one."""
    given = os.environ.get(TRACKING)
    if given is not None:
        return TrackingConfig.model_validate_json(given)
    return TrackingConfig.model_validate(recorded.get("tracking", {}))


def follow(folder: Path, parent: Parent) -> bool:
    """Projects the record until the search has ended or the parent is gone.

    Returns:
        Whether everything on disk is in MLflow.

    Raises:
        RecordError: The record is not one.
        DeletedExperimentError: MLflow's experiment has been deleted.
    """
    shipper = Shipper(folder)
    backoff = MIN_BACKOFF_SECONDS
    away = False
    while True:
        gone = parent.is_gone()  # Before reading, so that nothing it wrote is missed.
        shipper.read()
        if gone:
            shipper.projection.abandon()
        last = gone or _has_ended(shipper.projection, parent)
        try:
            shipper.ship(last)
        except UNREACHABLE as error:
            if not away:
                log.warning("MLflow at %s cannot be written to; trying again: %s", shipper.store, error)
            if gone:
                return False
            away = True
            time.sleep(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
        else:
            if away:
                log.warning("MLflow at %s is back and up to date", shipper.store)
            if last:
                return True
            away = False
            backoff = MIN_BACKOFF_SECONDS
            time.sleep(TICK_SECONDS)


def project(folder: Path) -> Shipper:
    """Projects the record once, up to its end.

    Returns:
        What was projected and where to.

    Raises:
        RecordError: The record is not one.
        DeletedExperimentError: MLflow's experiment has been deleted.
        UNREACHABLE: MLflow cannot be written.
    """
    shipper = Shipper(folder)
    shipper.read()
    session = shipper.projection.session
    if session is not None and session.host == platform.node() and not process_exists(session.pid):
        shipper.projection.abandon()
    shipper.ship(last=True)
    return shipper


def _has_ended(projection: Projection, parent: Parent) -> bool:
    """Whether the parent's session has ended, and not only the session that it resumes."""
    if projection.ended is None or projection.session is None:
        return projection.ended is not None
    return parent.pid in (None, projection.session.pid)
