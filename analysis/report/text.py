"""What is done to every text before it is shown: a function over all strings of a structure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


def map_text(value: T, change: Callable[[str], str]) -> T:
    """The value with `change` applied to every string in it, keys of mappings too.

    Goes through mappings, lists, tuples, data classes and pydantic models. Nothing is changed in place, and
    a part without a changed string is the same object as before.
    """
    # The names of metrics and parameters come again with every trial.
    mapped: T = _mapped(value, cache(change))
    return mapped


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        text = change(value)
        return value if text == value else text
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple):
        parts = [_mapped(part, change) for part in value]
        same = all(new is part for new, part in zip(parts, value, strict=True))
        return value if same else tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        items = [(key, part, _mapped(key, change), _mapped(part, change)) for key, part in value.items()]
        same = all(new_key is key and new is old for key, old, new_key, new in items)
        return value if same else {new_key: new for _, _, new_key, new in items}
    if isinstance(value, BaseModel):
        return value.model_copy(update=fields) if (fields := _changed(dict(value), change)) else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields) if (fields := _changed(members, change)) else value
    return value


def _changed(fields: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The fields in which a string changes."""
    return {name: new for name, old in fields.items() if (new := _mapped(old, change)) is not old}


def plain(value: Any) -> Any:
    """The value with NaN and Inf spelled as in the record, keys as text, and NumPy's numbers as Python's."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    number = float(value)
    return number if math.isfinite(number) else str(number)


def short(value: Any) -> Any:
    """A number to five significant digits for drawing; what is not finite is left out."""
    if isinstance(value, bool | str | int) or value is None:
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    rounded = float(f"{number:.5g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
