"""Nodes of the cluster that are about to be taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LOOK_SECONDS = 1.0
"""The notice is 30 s at the shortest; a group leaves at its next step."""


async def watch_draining(on_change: Callable[[frozenset[str]], None]) -> None:
    """Looks which nodes are draining, and says so whenever that changes.

    One look serves all groups. Ray Train's own watcher is a process for each group, for which every start of
    the group waits.

    Args:
        on_change: Called with the ids of the nodes.
    """
    known: frozenset[str] = frozenset()
    while True:
        draining = await asyncio.to_thread(_draining)
        if draining is not None and draining != known:
            known = draining
            on_change(draining)
        await asyncio.sleep(LOOK_SECONDS)


def _draining() -> frozenset[str] | None:
    """The nodes that are draining; None while the cluster cannot be asked."""
    from ray._private.state import state

    try:
        return frozenset(state.get_draining_nodes())
    except Exception:  # noqa: BLE001 - a named boundary: whatever Ray raises while its head cannot be reached
        return None
