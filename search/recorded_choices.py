"""What a search chose for itself, or had by the defaults of its time, when it is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.config.schema import SearchConfig

_CHOSEN: dict[tuple[str, str], object] = {
    ("task", "format"): "auto",
    ("task", "max_length"): None,
    ("capability", "max_new_tokens"): None,
}
"""Settings that may be left to the search, and the value that leaves them."""


def with_recorded_choices(recorded: Mapping[str, Any], config: SearchConfig) -> SearchConfig:
    """The configuration with what the record says for settings that are left to the search.

    Args:
        recorded: The configuration in the record.
        config: The one asked for.
    """
    for (section, name), left in _CHOSEN.items():
        before = recorded.get(section, {}).get(name, left)
        part = getattr(config, section, None)
        if getattr(part, name, None) == left and before != left and part is not None:
            config = config.model_copy(update={section: part.model_copy(update={name: before})})
    return config
