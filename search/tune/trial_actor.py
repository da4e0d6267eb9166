"""The light Tune trainable: asks a worker group to train its trial to the next rung."""

from __future__ import annotations

from typing import Any

import ray
from ray import tune
from ray.exceptions import RayActorError, RayTaskError

from search.groups.slots import CrashedError, NoGroupsError
from trainables.messages import Reply, TrainRequest, TrialRequest

REPLY = "reply"
LOST = "lost"
FAILURE_CLASS = "failure_class"


class TrialActor(tune.Trainable):  # type: ignore[misc]  # Ray has no types here
    """Holds no model. The actor is reused: a new trial costs one call of `reset_config`.

    `config` holds the trial's request and the steps of its rungs; after a request for a rung, those of later
    rungs follow from the replies.
    """

    def setup(self, config: dict[str, Any], dispatcher: Any) -> None:
        """Called once per actor by Tune."""
        self._dispatcher = dispatcher
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes up another trial in the same actor."""
        self._request: TrialRequest = new_config["request"]
        self._rungs: tuple[int, ...] = new_config["rungs"]
        return True

    def step(self) -> dict[str, Any]:
        """Has the trial trained to its next rung and measured there, or evaluated on the front."""
        request = self._request
        try:
            reply: Reply = ray.get(self._dispatcher.submit.remote(request))
        except RayActorError as error:
            return {LOST: f"the dispatcher died: {error}", FAILURE_CLASS: "worker_lost"}
        except RayTaskError as error:
            if isinstance(error.cause, NoGroupsError):
                crashed = isinstance(error.cause, CrashedError)
                return {LOST: str(error.cause), FAILURE_CLASS: "crashed" if crashed else "worker_lost"}
            raise
        if isinstance(request, TrainRequest) and reply.outcome == "ok":
            following = next((step for step in self._rungs if step > request.to_step), None)
            if following is not None:
                self._request = request.following(reply, following, last=following == self._rungs[-1])
        return {REPLY: reply}
