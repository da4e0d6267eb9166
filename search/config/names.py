"""A search's name where the user gives none: that of the space, and of what is chosen in place of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from search.config.overrides import Override
from search.config.schema import DEFAULT_TRAINABLE
from trainables.data.sources import user_path

_NAMING = ("trainable", "model", "task")
"""What a search is named after when a word chooses it, in this order."""
_LONGEST = 40
"""In bytes, of which the name of a folder may have only so many."""
_ENDINGS = re.compile(r"(\.(jsonl?|csv|parquet|txt|ya?ml))?(\.gz)?$", re.IGNORECASE)


def derived_name(name: str, data: Mapping[str, Any], overrides: Sequence[Override]) -> str:
    """The name of a space's search with the trainable, model and task that words choose in place of its own.

    What the space itself says changes nothing; nor do settings that leave the search what it is.

    Args:
        name: That of the space.
        data: What its file says.
        overrides: The words of the command line; of two with the same key the last counts.

    Returns:
        For example `demo-smollm2-my` with `model=smollm2 task=data/my.jsonl`.
    """
    chosen = {override.key[0]: override.value for override in overrides if len(override.key) == 1}
    before = {"trainable": DEFAULT_TRAINABLE, **data}
    others = [key for key in _NAMING if key in chosen and chosen[key] != before.get(key)]
    return "-".join([name, *(slug(chosen[key], key) for key in others)])


def slug(value: Any, key: str) -> str:
    """A short name, which a folder can have, for what a word chooses.

    Args:
        value: As the word gives it.
        key: The name where the value has none.
    """
    if isinstance(value, Mapping):
        value = next((value[part] for part in ("name", "preset", "source", "train") if part in value), key)
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        return key
    last = _ENDINGS.sub("", user_path(value).name)
    plain = re.sub(r"[^\w.]+", "-", last).encode()[:_LONGEST]
    return plain.decode(errors="ignore").strip("-._") or key
