"""How the workers of groups have died: what is tried again, and what is given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
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
    """

    most_losses: int
    number: int = 0
    doing: str = ""
    losses: int = 0
    joined: bool = False
    _numbers: dict[str, int] = field(default_factory=dict)
    _nodes: dict[int, frozenset[str]] = field(default_factory=dict)
    _ended: int = 0
    _crash: Crash | None = None
    _excused: int = 0
    _ways: Counter[tuple[str, str]] = field(default_factory=Counter)

    def begin(self, token: str, nodes: Collection[str]) -> int:
        """The group's workers have begun on these nodes; returns the number of the start.

        It is the same whenever the token, which each start has its own of, comes again.
        """
        if token not in self._numbers:
            self.number += 1
            self._numbers[token] = self.number
            self._nodes[self.number] = frozenset(nodes)
        return self._numbers[token]

    def on(self, number: int, nodes: Collection[str]) -> bool:
        """Whether any worker of a start is on one of these nodes."""
        return not self._nodes.get(number, frozenset()).isdisjoint(nodes)

    def live(self, number: int) -> bool:
        """Whether a start has not ended, as far as is known."""
        return number > self._ended

    def report(self, number: int, crash: Crash) -> None:
        """A worker is about to die of this; of several in a start the first one counts."""
        if self.live(number) and self._crash is None:
            self._crash = crash

    def excuse(self, number: int) -> bool:
        """What ends this start is dealt with elsewhere, and is no loss; whether that is news."""
        news = self.live(number) and number != self._excused
        if news:
            self._excused = number
        return news

    @property
    def excused(self) -> bool:
        """Whether what ends the present start is dealt with elsewhere."""
        return self.live(self._excused)

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
        crash, excused = self._crash or seen, self.excused or preempted
        self._ended, self._crash, self.doing = self.number, None, ""
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
