"""Brings MLflow to the projection's state, over any number of tries and processes."""

from __future__ import annotations

import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID

from search.errors import TightropeError
from search.record import SearchStarted
from search.tracking.mlflow_limits import Batch, split
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import GIT_COMMIT, SEARCH, SEARCH_ID, RunView, key_of
from search.tracking.shown import KIND, page_of, view_of
from search.tracking.store import Store, file_lock

log = logging.getLogger(__name__)

POINTS = "tightrope.points"
"""Number of the run's metric values that are stored; set after them, so never ahead of them."""

_PAGE = 500


class DeletedExperimentError(TightropeError):
    """The experiment is in MLflow's trash, where nothing can be written to it."""


@dataclass
class Stored:
    """What MLflow holds of one run, as far as known."""

    run_id: str
    status: str
    end: int | None
    params: set[str] = field(default_factory=set)
    points: int = 0
    tags: dict[str, str] = field(default_factory=dict)


class Writer:
    """Writes one search's runs to MLflow; idempotent.

    After an error make a new one: what MLflow holds is then read again, not assumed.

    Args:
        store: Where to.
        experiment: Name of the experiment; made where absent.
        search_id: The search, by which its runs are found again.

    Raises:
        DeletedExperimentError: The experiment has been deleted.
        mlflow.exceptions.MlflowException: The store cannot be reached; from every method.
    """

    def __init__(self, store: Store, experiment: str, search_id: str) -> None:
        self._search_id = search_id
        database = store.database
        # MLflow makes a new SQLite file without a lock of its own, and two at once break it.
        with nullcontext() if database is None else file_lock(database.with_name(".mlflow.lock"), wait=True):
            self.client = MlflowClient(store.uri)
            self._experiment = self._find_experiment(experiment, store.artifacts)
        self._experiment_tags = dict(self.client.get_experiment(self._experiment).tags)
        self._stored = self._load()
        self.resumed = bool(self._stored)
        """Whether there was something: whoever wrote it may have been killed with a request on its way."""

    def _find_experiment(self, name: str, artifacts: str | None) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            return self.client.create_experiment(name, artifact_location=artifacts)
        if experiment.lifecycle_stage != "active":
            raise DeletedExperimentError(
                f"The MLflow experiment {name!r} has been deleted.",
                hint=f"Restore it in MLflow (id {experiment.experiment_id}), or set tracking.experiment.",
            )
        return experiment.experiment_id

    def _load(self) -> dict[str, Stored]:
        """Reads the search's runs, and deletes all but the fullest of those that are the same run.

        Two can be there where a server executed a request that had timed out on our side.
        """
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self._experiment],
                f"tags.`{SEARCH_ID}` = '{self._search_id}'",
                max_results=_PAGE,
                order_by=["attributes.run_id"],
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                break
        stored: dict[str, Stored] = {}
        for run in sorted(runs, key=lambda run: -_points(run)):
            run_key = key_of(run.data.tags)
            if run_key in stored:
                log.warning("deleting a second run of %s", run_key)
                self.client.delete_run(run.info.run_id)
            else:
                stored[run_key] = _stored_state(run)
        return stored

    def ship(self, projection: Projection) -> None:
        """Writes every changed run, and takes it out of `projection.changed` once it is stored."""
        if SEARCH in projection.changed:
            self._ship_run(projection.runs[SEARCH])
            projection.changed.discard(SEARCH)
        for run_key in sorted(projection.changed):
            self._ship_run(projection.runs[run_key])
            projection.changed.discard(run_key)

    def show(self, started: SearchStarted) -> str:
        """Has MLflow's interface show the experiment's runs, and a view of this search's.

        Returns:
            The view's address below that of the interface.
        """
        # Some servers let a user write runs, and no tags of experiments: that must not hold up the runs.
        with suppress(MlflowException):
            for name, value in (KIND, view_of(started)):
                # What a user has chosen in the meantime stays.
                if name not in self._experiment_tags:
                    self.client.set_experiment_tag(self._experiment, name, value)
                    self._experiment_tags[name] = value
        return page_of(self._experiment, started)

    def run_id(self, run_key: str) -> str:
        """MLflow's id of a run that has been shipped."""
        return self._stored[run_key].run_id

    def tag(self, run_key: str, name: str) -> str | None:
        """The stored value of a tag."""
        return self._stored[run_key].tags.get(name)

    def set_tag(self, run_key: str, name: str, value: str) -> None:
        """Sets a tag that is not part of the projection."""
        self.client.set_tag(self.run_id(run_key), name, value)
        self._stored[run_key].tags[name] = value

    def _ship_run(self, view: RunView) -> None:
        stored = self._stored.get(view.key)
        if stored is None:
            stored = self._stored[view.key] = self._create(view)
        params = {name: value for name, value in view.params.items() if name not in stored.params}
        points = view.points[stored.points :]
        tags = {name: value for name, value in self._tags(view).items() if stored.tags.get(name) != value}
        if points:
            tags[POINTS] = str(len(view.points))
        for batch in split(params, points, tags):
            self._log(stored.run_id, batch)
        stored.params |= set(params)
        stored.points = len(view.points)
        stored.tags |= tags
        self._ship_status(view, stored)

    def _create(self, view: RunView) -> Stored:
        tags = self._tags(view)
        run = self.client.create_run(self._experiment, view.start, tags, view.name)
        return Stored(run.info.run_id, run.info.status, run.info.end_time or None, tags=tags)

    def _tags(self, view: RunView) -> dict[str, str]:
        """The view's tags, and those by which MLflow itself shows them."""
        tags = dict(view.tags)
        if view.key != SEARCH:
            tags[MLFLOW_PARENT_RUN_ID] = self.run_id(SEARCH)
        if GIT_COMMIT in tags:
            tags[MLFLOW_GIT_COMMIT] = tags[GIT_COMMIT]
        return tags

    def _log(self, run_id: str, batch: Batch) -> None:
        self.client.log_batch(
            run_id,
            [Metric(point.key, point.value, point.time, point.step) for point in batch.points],
            [Param(name, value) for name, value in batch.params.items()],
            [RunTag(name, value) for name, value in batch.tags.items()],
            synchronous=True,
        )

    def _ship_status(self, view: RunView, stored: Stored) -> None:
        """Last, so that a run that says it is finished holds everything."""
        if view.status == stored.status and view.end in (None, stored.end):
            return
        if view.end is None:
            self.client.update_run(stored.run_id, view.status)
        else:
            # Takes any status, and is MLflow's only call that sets an end of our own.
            self.client.set_terminated(stored.run_id, view.status, view.end)
        stored.status, stored.end = view.status, view.end


def _stored_state(run: Run) -> Stored:
    return Stored(
        run.info.run_id,
        run.info.status,
        run.info.end_time or None,
        set(run.data.params),
        _points(run),
        dict(run.data.tags),
    )


def _points(run: Run) -> int:
    return int(run.data.tags.get(POINTS, 0))
