"""Settings given in Python as the words of a command line, which is how every search is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search.config.overrides import GROUPS
from search.config.show import scalar


def to_words(settings: Mapping[str, Any]) -> list[str]:
    """One `key=value` word for each setting; of mappings one for each value within.

    Texts are taken as they stand on a command line: `"1e-3"` is a number, `"null"` is none. A section that is
    chosen as a whole, such as the task, is one word, and its texts are texts. So are paths.
    """
    return [f"{key}={_text(value)}" for key, value in _flat(settings, "")]


def _flat(settings: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value and (before or key not in GROUPS):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Path):
        return scalar(str(value))
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
