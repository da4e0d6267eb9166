"""Tells the dispatcher when a group's workers have died; runs in Ray Train's controller."""

from __future__ import annotations

from typing import Any

from ray.train import UserCallback


class TellDispatcher(UserCallback):  # type: ignore[misc]  # Ray has no types here
    """Lets a lost group's trials go on elsewhere at once: it may be long until its resources are back.

    Args:
        dispatcher: The dispatcher actor.
        name: Name of the group.
    """

    def __init__(self, dispatcher: Any, name: str) -> None:
        self._dispatcher = dispatcher
        self._name = name

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Called when one or more workers have raised or died."""
        self._dispatcher.down.remote(self._name)
