"""Whether a configuration may go on with a recorded search, and what differs where it may not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from search.config.schema import SearchConfig
from search.errors import SpaceChangedError

# What may change from one session to the next: how much, where and how visibly, but not what is searched.
_FREE = frozenset({"limits", "trials", "workers", "tracking", "report", "out", "name", "space"})


def comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved configuration that trials depend on."""
    kept = {key: value for key, value in config.items() if key not in _FREE}
    workers = config.get("workers", {})
    # Epochs were counted, and what was counted is there as steps.
    budget = {key: value for key, value in (config.get("budget") or {}).items() if key != "epochs"}
    # Values are drawn, and conditions applied, in the declared order.
    order = list(config.get("parameters", {}))
    # What was taken over is in the record, wherever the earlier search lies by now.
    warm_start = {key: value for key, value in (config.get("warm_start") or {}).items() if key != "search"}
    return kept | {
        "order of parameters": order,
        "budget": budget,
        "workers": {"workers": workers.get("workers", 1)},
        "warm_start": warm_start or None,
    }


def fingerprint(config: SearchConfig) -> str:
    """SHA-256 of what trials depend on, in hexadecimal."""
    text = json.dumps(comparable(config.model_dump(mode="json")), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_changes(recorded: Mapping[str, Any], config: SearchConfig) -> None:
    """Compares a recorded configuration with the one asked for.

    Raises:
        SpaceChangedError: They differ in what trials depend on; the message lists each key.
    """
    before = _flatten(comparable(_completed(recorded)))
    now = _flatten(comparable(config.model_dump(mode="json")))
    lines = []
    for key in sorted(before.keys() | now.keys()):
        if before.get(key, _ABSENT) != now.get(key, _ABSENT):
            lines.append(f"  {key}: recorded {_show(before, key)}, now {_show(now, key)}")
    if lines:
        raise SpaceChangedError(
            f"Search {config.name!r} was begun with another configuration:\n" + "\n".join(lines),
            hint="Resume with the recorded values, or begin a new search with name=<other name>.",
        )


def _completed(recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recorded configuration with the defaults of what could not yet be said when it was recorded."""
    try:
        return SearchConfig.model_validate(recorded).model_dump(mode="json")
    except ValidationError:
        return recorded


_ABSENT = object()


def _show(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "absent"


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        flat: dict[str, Any] = {}
        for key, inner in value.items():
            flat |= _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
        return flat
    if isinstance(value, list | tuple):
        return {prefix: list(value)}
    return {prefix: value}
