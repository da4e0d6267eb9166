"""Names of searches that are there already."""

from __future__ import annotations

from pathlib import Path

from search.config.schema import SearchConfig
from search.epochs import in_steps
from search.errors import TightropeError
from search.record.files import EVENTS
from search.resume import open_record


def under_earlier_name(config: SearchConfig, earlier: str) -> SearchConfig:
    """The configuration with the space's name alone where its search has begun under that.

    Args:
        config: With the name that follows from the space and the command line.
        earlier: The space's name.
    """
    out = Path(config.out)
    if earlier == config.name or (out / config.name).exists() or not (out / earlier / EVENTS).exists():
        return config
    begun = config.model_copy(update={"name": earlier})
    try:
        open_record(in_steps(begun).config)
    except TightropeError:
        return config
    return begun
