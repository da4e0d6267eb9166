"""Values as JSON and a drawing can hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


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
