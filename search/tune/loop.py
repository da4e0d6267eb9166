"""Runs Ray Tune until the conductor has no more trials."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from search.cluster import node_resource
from search.conductor import Conductor
from search.groups.host import WorkerGroups


def run_tune(
    conductor: Conductor,
    groups: WorkerGroups,
    slots: int,
    scratch: Path,
    folder: Path,
    listen: Callable[[], None] = lambda: None,
) -> None:
    """Drives the trials to their end; returns when the conductor has finished.

    Args:
        conductor: Decides and records.
        groups: Serve the trials.
        slots: Trials at the same time to begin with; then as many as `groups` can train.
        scratch: Folder for Tune's own files, which nobody needs afterwards.
        folder: The search's folder.
        listen: Called whenever Tune asks for a trial; returns at once.
    """
    from ray import tune
    from ray.tune.execution import class_cache

    from search.tune.actors import Actors, Polled
    from search.tune.adapters import ConductedScheduler, ConductedSearch
    from search.tune.trial_actor import TrialActor

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the conductor says which trials were lost
    # Tune hands variables on to its actors, which need none, in a runtime environment: no process that waits
    # already serves it, and an agent of Ray writes it, with credentials of AWS, into a log that all can read.
    class_cache.ENV_VARS_TO_PROPAGATE, class_cache.DEFAULT_ENV_VARS = set(), {}
    # Trial actors only wait: they need no CPU, and stay on the driver's node, which no lost link cuts off.
    trainable = tune.with_resources(
        tune.with_parameters(TrialActor, dispatcher=groups.dispatcher), {node_resource(): 0.001}
    )

    polled = Polled(lambda: groups.dispatcher.capacity.remote().future(), slots)

    def at_once() -> int:
        listen()
        return polled()

    actors = Actors()

    def release(number: int) -> None:
        groups.dispatcher.release.remote(number)

    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=ConductedSearch(conductor, at_once, release, actors),
            scheduler=ConductedScheduler(conductor, folder),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[actors],
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    ).fit()
