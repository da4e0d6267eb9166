"""A Ray node on this machine without the processes that serve a cluster's operators.

A local node too starts an API server, for which it waits, the autoscaler's monitor, and a process that copies
logs to the driver. A search uses none of them, and without them Ray is up in a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_UNUSED = ("start_monitor", "start_log_monitor", "start_api_server")


@contextmanager
def few_processes() -> Iterator[None]:
    """Within it `ray.init` starts a node of its own with what runs tasks and actors, and nothing else."""
    from ray._private.node import Node

    started = {name: getattr(Node, name) for name in _UNUSED if hasattr(Node, name)}
    for name in started:
        setattr(Node, name, _leave_out)
    try:
        yield
    finally:
        for name, start in started.items():
            setattr(Node, name, start)


def _leave_out(node: Any, **_: Any) -> None:
    node._webui_url = None  # where the API server would be
