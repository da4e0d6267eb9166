"""Choosing a view."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from rich.console import Console

from search.config.schema import SearchConfig
from search.view.base import View
from search.view.live import LiveView
from search.view.plain import PlainView
from search.view.progress import Progress


def make_view(
    console: Console,
    config: SearchConfig,
    trials: int,
    live: bool,
    clock: Callable[[], float] = time.time,
) -> View:
    """The live view, or plain lines where it is not wanted or would not work.

    Args:
        console: Where to show it.
        config: The search.
        trials: Number of trials asked for.
        live: Whether the live view is wanted. It needs a terminal with Unicode that can move the cursor,
            and is not used where the environment variable `CI` is set.
        clock: Seconds since the epoch.
    """
    progress = Progress(config, trials, clock)
    terminal = console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")
    wanted = live and terminal and not os.environ.get("CI")
    return LiveView(console, progress) if wanted else PlainView(console, progress)
