"""Groups wait for one another before they measure."""

from __future__ import annotations

import asyncio
from contextlib import suppress

PATIENCE_SECONDS = 10.0
"""A node may come much later than the others, which lose at most this much to it."""


class Gathering:
    """Has groups begin to measure together.

    Measured while another group on the machine imports and loads, throughput is lower than it will be.
    All measuring at once is how they will train.

    Args:
        patience: Seconds that a group waits at most.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._loading: set[str] = set()
        self._complete = asyncio.Event()

    def expect(self, name: str) -> None:
        """A group is being started: the others wait for it."""
        self._loading.add(name)
        self._complete.clear()

    def dismiss(self, name: str) -> None:
        """Nobody waits for this group any more, and not again where it restarts: it has loaded, or ended."""
        self._loading.discard(name)
        if not self._loading:
            self._complete.set()

    async def arrive(self, name: str) -> None:
        """This group has loaded; returns when no other is waited for, or `patience` has passed."""
        self.dismiss(name)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._complete.wait()
