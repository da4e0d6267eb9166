"""Turning recorded values into what MLflow accepts as keys and values."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping

from search.config.schema import SearchConfig
from search.redact import redact

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000


def key(name: str) -> str:
    """A name that MLflow accepts for a parameter, metric or tag."""
    clean = re.sub(r"[^/\w.\- ]", "_", name)[:MAX_KEY]
    # MLflow may use names as file paths, and refuses what would not stay where it is.
    if clean.startswith(("/", "..")) or posixpath.normpath(clean) != clean or clean == ".":
        clean = re.sub(r"[/.]", "_", clean)
    return clean or "_"


def text(value: object) -> str:
    """A value as text, without credentials; lists as JSON."""
    if isinstance(value, list | tuple | dict):
        return redact(json.dumps(value))
    return redact(str(value))


def param(value: object) -> str:
    """A parameter's value, cut to MLflow's limit."""
    return text(value)[:MAX_PARAM]


def tag(value: object) -> str:
    """A tag's value, cut to MLflow's limit."""
    return text(value)[:MAX_TAG]


def config_params(config: Mapping[str, object]) -> dict[str, str]:
    """The declared fields of a resolved configuration, sections flattened to dotted keys."""
    declared = {name: config[name] for name in SearchConfig.model_fields if name in config}
    return {key(name): param(value) for name, value in _flatten("", declared)}


def _flatten(prefix: str, section: Mapping[str, object]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in section.items():
        if isinstance(value, Mapping):
            found += _flatten(f"{prefix}{name}.", value)
        else:
            found.append((f"{prefix}{name}", value))
    return found
