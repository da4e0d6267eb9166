"""Tells the dispatcher when a group's workers have died; runs in Ray Train's controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.train import UserCallback

from trainables.crash import EXPECTED, Crash, DrainedError, PeerLostError, crash_of, killed

_STARTING = "starting its process"
_PROCESS_DIED = "worker process has died"
"""Ray's words for a process that ended while its node keeps running."""


class TellDispatcher(UserCallback):  # type: ignore[misc]  # Ray has no types here
    """Lets a lost group's trials continue elsewhere at once: it may be long until its resources are back.

    Args:
        dispatcher: The dispatcher actor.
        name: Name of the group.
        workers: Number of its workers.
    """

    def __init__(self, dispatcher: Any, name: str, workers: int) -> None:
        self._dispatcher = dispatcher
        self._name = name
        self._workers = workers

    def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:
        """Called when one or more workers have raised or died."""
        errors = [_cause(error) for error in worker_exceptions.values()]
        preempted = any(
            isinstance(error, DrainedError) or (isinstance(error, RayActorError) and error.preempted)
            for error in errors
        )
        # To be over before the next start begins, which it would else be taken to be about.
        crash, machine = seen_crash(errors, self._workers), machine_lost(errors, self._workers)
        ray.get(self._dispatcher.down.remote(self._name, crash, preempted, machine))


def seen_crash(errors: Sequence[Exception], workers: int) -> Crash | None:
    """The crash that a group's workers have not reported themselves; None: they have, or a machine was lost.

    Args:
        errors: What each worker that ended has ended with, as Ray has it.
        workers: Number of workers of the group.
    """
    if len(errors) == workers and all(isinstance(error, PeerLostError) for error in errors):
        return crash_of(errors[0], _STARTING)  # each blames another one, and nobody is gone
    crash = None
    for error in errors:
        if isinstance(error, RayActorError):
            if _PROCESS_DIED not in str(error):
                return None
            crash = killed(_STARTING, str(error))
        elif not isinstance(error, EXPECTED) and crash is None:
            crash = crash_of(error, _STARTING)
    return crash


def machine_lost(errors: Sequence[Exception], workers: int) -> bool:
    """Whether a machine was lost, as far as Ray says, and no worker ended by itself.

    Workers that miss another one which has not ended miss its machine, whose loss Ray has yet to notice: of a
    process that ends, its node says so at once.

    Args:
        errors: What each worker that ended has ended with, as Ray has it.
        workers: Number of workers of the group.
    """
    if any(isinstance(error, RayActorError) and _PROCESS_DIED not in str(error) for error in errors):
        return True
    return len(errors) < workers and all(isinstance(error, PeerLostError) for error in errors)


def _cause(error: Exception) -> Exception:
    """What a failed health check of a worker found; other errors as they are."""
    failure = getattr(error, "health_check_failure", None)
    return failure if isinstance(failure, Exception) else error
