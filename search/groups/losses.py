"""How the workers of groups have died: what is tried again, and what is given up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from trainables.crash import UNEXPLAINED, Crash

SAME_CRASHES = 2
"""What has crashed as often in the same way is not tried again: machines that are lost do not fail alike."""


@dataclass
class Starts:
    """The starts of one group, and what ended them.

    Attributes:
        most_losses: Lost machines, or processes, after which the group is given up.
        number: Which start this is; 0 before the first.
        doing: What its first worker says that it is at, to follow "while".
        losses: Lost machines so far.
        joined: Whether any start has come up.
        nodes: Where the workers of this start are.
    """

    most_losses: int
    number: int = 0
    doing: str = ""
    losses: int = 0
    joined: bool = False
    nodes: set[str] = field(default_factory=set)
    _ended: int = 0
    _crash: Crash | None = None
    _excused: bool = False
    _ranks: Counter[int] = field(default_factory=Counter)
    _ways: Counter[tuple[str, str]] = field(default_factory=Counter)

    def begin(self, rank: int, node: str) -> int:
        """A worker has begun on a node; returns the number of its start, the same for all workers of one."""
        self._ranks[rank] += 1
        if self._ranks[rank] > self.number:
            self.number = self._ranks[rank]
            self.nodes.clear()
        self.nodes.add(node)
        return self.number

    def report(self, number: int, crash: Crash) -> None:
        """A worker is about to die of this; of several in a start the first one counts."""
        if number > self._ended and self._crash is None:
            self._crash = crash

    def excuse(self) -> None:
        """What ends this start is dealt with elsewhere, and is no loss."""
        self._excused = True

    def end(self, seen: Crash | None, preempted: bool, serving: bool) -> Crash | None:
        """A start has ended.

        Args:
            seen: The crash as Ray saw it; None: the machine was lost.
            preempted: Whether that had been announced.
            serving: Whether requests were under way, which a crash is then put down to.

        Returns:
            The crash, where it was one.
        """
        if seen is not None and seen.kind in UNEXPLAINED and self.joined:
            seen = None  # why that was while it served is not known: as good as lost
        crash, excused = self._crash or seen, self._excused or preempted
        self._ended, self._crash, self._excused, self.doing = self.number, None, False, ""
        if crash is None:
            self.losses += not excused
        elif not self.joined:
            self._ways[crash.way] += 1
        else:
            self.losses += not serving
        return crash

    def crashes(self, crash: Crash) -> int:
        """How often the group has crashed in this way before it ever came up."""
        return self._ways[crash.way]
