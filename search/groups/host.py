"""Worker groups as the driver sees them; the groups themselves run under the dispatcher.

Ray is imported inside the functions: it reads its environment when it is imported, and
`search.cluster.start_ray` sets that first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from search.autoscaling import Extension
from search.cluster import Capacity, Room, room_now
from search.config.schema import WorkersConfig
from search.groups.dispatcher import start_dispatcher
from search.groups.group import GroupSpec
from search.signals import stop
from trainables.messages import BaselineRequest, GroupFacts, GroupSettings, Reply
from trainables.progress import without_amounts

_LOOK_SECONDS = 1.0
_LONG_SECONDS = 10.0
"""When processes that have not begun may be short of resources."""
_REMIND_SECONDS = 60.0
_FOLLOW_SECONDS = 5.0
PACE_SECONDS = 30.0
"""Between texts that differ in an amount alone, such as the bytes of a download."""


class WorkerGroups:
    """The groups of one search.

    Args:
        settings: What every group serves.
        workers: Size of a group, and how often it may restart.
        capacity: Number of groups and resources per worker.
        scratch: Folder for Ray Train's own files, which nobody needs afterwards.
        on_said: Called with what the workers have to say to whoever watches the search.
        look: Called every second while the driver waits for the groups; it may raise, to end the wait.
        on_change: Called with what there is of the groups whenever nodes have come or gone; None: none do.
        wanted: Says how many more groups would have trials to train. Where the number is left to the cluster,
            its autoscaler is asked for nodes for them.
    """

    def __init__(
        self,
        settings: GroupSettings,
        workers: WorkersConfig,
        capacity: Capacity,
        scratch: Path,
        on_said: Callable[[str], None] = lambda text: None,
        on_change: Callable[[Capacity], None] | None = None,
        look: Callable[[], None] = lambda: None,
        wanted: Callable[[], int] = lambda: 0,
    ) -> None:
        self._settings, self._workers, self._capacity, self._scratch = settings, workers, capacity, scratch
        self._specs = [self._spec(index) for index in range(capacity.groups)]
        self.dispatcher: Any = start_dispatcher(
            Path(settings.folder), () if settings.distant is None else settings.distant.inputs
        )
        self._running: dict[str, Any] = {}
        self._on_said = on_said
        self._heard = 0
        self._asked: Future[list[str]] | None = None
        self._on_change, self._look = on_change, look
        self._there = capacity
        each = {"CPU": float(capacity.cpus)} | ({"GPU": float(capacity.gpus)} if capacity.gpus else {})
        self._wanted, self._extension = wanted, Extension(workers.workers, each)
        self._follow_at = time.monotonic() + _FOLLOW_SECONDS

    def _spec(self, index: int) -> GroupSpec:
        return GroupSpec(
            name=f"group-{index}",
            run_name=f"group-{index}-{os.getpid()}",
            settings=self._settings,
            workers=self._workers.workers,
            cpus=self._capacity.cpus,
            gpus=self._capacity.gpus,
            max_failures=self._workers.max_failures,
            scratch=str(self._scratch),
        )

    def start(self) -> None:
        """Starts every group; returns at once."""
        self._begin(self._specs)

    def _begin(self, specs: Sequence[GroupSpec]) -> None:
        import ray

        ray.get([self.dispatcher.add_group.remote(spec.name, spec.max_failures) for spec in specs])
        for spec in specs:
            self._running[spec.name] = self.dispatcher.run_group.remote(spec, self.dispatcher)

    def follow(self) -> None:
        """Says which nodes have come or gone, starts groups on those that have come, and asks for more.

        A group whose node has gone waits for another one.
        """
        now = time.monotonic()
        if self._on_change is None or now < self._follow_at:
            return
        self._follow_at = now + _FOLLOW_SECONDS
        before, room = self._there, self._look_around()
        if self._workers.groups == "auto":
            more = [self._spec(index) for index in range(len(self._specs), room.groups)]
            self._extension.want(0 if more else self._wanted(), room.spare)
            if more:
                self._specs += more
                self._begin(more)
                room = self._look_around()
        if room.there != before:
            self._on_change(room.there)

    def there(self) -> Capacity:
        """What there is just now of the groups: those that have room on the nodes that are up."""
        return self._look_around().there

    def _look_around(self) -> Room:
        room = room_now(self._workers, self._capacity, len(self._specs))
        self._there = room.there
        return room

    def wait_for_first(
        self, on_wait: Callable[[str], None], pace: float = PACE_SECONDS
    ) -> GroupFacts | Reply:
        """Blocks until one group is up (its facts) or cannot come up (its refusal).

        Args:
            on_wait: Called with what is waited for, whenever that changes, and once a minute.
            pace: Least seconds between calls where an amount alone has changed.
        """
        import ray

        first = self.dispatcher.first_facts.remote()
        began = time.monotonic()
        said, said_at, since = "", began, time.strftime("%H:%M:%S")
        while not ray.wait([first], timeout=_LOOK_SECONDS)[0]:
            self._hear()
            now = time.monotonic()
            text: str | None = ray.get(self.dispatcher.waiting_for.remote())
            if text is None and now - began >= _LONG_SECONDS:
                text = f"waiting since {since} for the workers' processes to start; "
                text += f"each group needs {self._specs[0].needs}"
            if text is not None and due(text, said, now - said_at, pace):
                on_wait(text)
                said, said_at = text, now
        self._hear()
        facts: GroupFacts | Reply = ray.get(first)
        return facts

    def listen(self) -> None:
        """Takes what the workers have said, as far as it is here, and returns at once; to be called often."""
        stop.check()
        self.follow()
        if self._asked is None:
            self._asked = self.dispatcher.said.remote(self._heard).future()
        elif self._asked.done():
            asked, self._asked = self._asked, None
            if asked.exception() is None:  # who submits requests says that the dispatcher is gone
                self._take(asked.result())

    def _hear(self) -> None:
        import ray

        stop.check()
        self._look()
        self._take(ray.get(self.dispatcher.said.remote(self._heard)))

    def _take(self, said: list[str]) -> None:
        self._heard += len(said)
        for text in said:
            self._on_said(text)

    def measure_baselines(self, names: Sequence[str]) -> Iterator[tuple[str, Reply]]:
        """Measures references, such as the untouched base model, on as many groups as are up.

        Yields:
            The name and the reply of each, in the order in which they come.
        """
        import ray

        asked = {self.dispatcher.submit.remote(BaselineRequest(name)): name for name in names}
        while asked:
            done, _ = ray.wait(list(asked), timeout=_LOOK_SECONDS)
            self._hear()
            self.follow()
            for answered in done:
                yield asked.pop(answered), ray.get(answered)

    def capacity(self) -> int:
        """Trials that can train at once just now; see `SlotTable.capacity`."""
        import ray

        slots: int = ray.get(self.dispatcher.capacity.remote())
        return slots

    def withdraw(self, trial: int) -> None:
        """Has a trial that is in training given up; returns at once."""
        self.dispatcher.withdraw.remote(trial)

    def stop(self, timeout: float = 20.0) -> None:
        """Ends the groups that serve, waiting at most `timeout` seconds; others end with this process."""
        import ray

        serving = [self._running[name] for name in ray.get(self.dispatcher.stop.remote())]
        if serving:
            ray.wait(serving, num_returns=len(serving), timeout=timeout)


def due(text: str, said: str, seconds: float, pace: float) -> bool:
    """Whether a text is to be shown, some seconds after another one."""
    if text == said:
        return seconds >= _REMIND_SECONDS
    return seconds >= pace or without_amounts(text) != without_amounts(said)
