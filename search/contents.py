"""What the model and the data files of a search hold, seen from the driver before anything is started."""

from __future__ import annotations

from collections.abc import Mapping

from search.config.schema import SearchConfig
from trainables.specs import TRAINABLES

PREFIX = "content."
"""What the keys of the record's fingerprints begin with that are these."""


def contents(config: SearchConfig) -> dict[str, str]:
    """By configuration key, `sha256:` and a digest of what lies there, or `name:` and a name of the hub.

    What cannot be read is left out.
    """
    return dict(TRAINABLES[config.trainable].contents(config.options))


def changed(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The keys that are known to name something else than they did.

    A file that was a hub's data set before may hold the same: that is for the workers to say.
    """
    return [
        key
        for key in recorded.keys() & now.keys()
        if recorded[key] != now[key] and _kind(recorded[key]) == _kind(now[key])
    ]


def _kind(content: str) -> str:
    return content.partition(":")[0]
