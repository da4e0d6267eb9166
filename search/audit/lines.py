"""Where the facts of a search stand in its files, and what to type to change them."""

from __future__ import annotations

import re
from typing import Any

from search.audit.finding import Place
from search.audit.region import Region
from search.audit.subject import Fact
from search.config.origins import DEFAULT, Key, Origins, dotted
from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter, ExpressionParameter
from search.record.events import Scalar

_FILE = re.compile(r"(.+):(\d+)")
_COMMAND = "command line"


def typed(value: Scalar) -> str:
    """A value as YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        text = f"{value:.4g}"
        return text if "e" not in text or "." in text else text.replace("e", ".0e")
    return str(value)


def place_at(key: str, origin: str) -> Place:
    """A place from what `Origins` says of a key."""
    match = _FILE.fullmatch(origin)
    if match is None or origin.startswith(_COMMAND):
        return Place(key, source=origin)
    return Place(key, match[1], int(match[2]), origin)


class LineOf:
    """Places and lines of one configuration.

    Args:
        config: The search.
        origins: Where its values are from.
    """

    def __init__(self, config: SearchConfig, origins: Origins) -> None:
        self._config, self._origins = config, origins

    def place(self, fact: Fact, region: Region | None) -> Place | None:
        """Where a fact stands: of a range the end that lies in the region."""
        if fact.parameter is not None:
            key = self._key(fact.parameter, region)
        elif fact.key is not None:
            key = tuple(int(part) if part.isdecimal() else part for part in fact.key.split("."))
        else:
            return fact.place
        origin = self._origins.of_value(key)
        if origin == DEFAULT and len(key) > 1 and key[0] != "fixed":
            origin = self._origins.of(key)
        return place_at(dotted(key), origin)

    def _key(self, name: str, region: Region | None) -> Key:
        if name not in self._config.parameters:
            return ("fixed", name)
        end = None if region is None or name not in region.axes else self._end(name, region)
        return ("parameters", name) if end is None else ("parameters", name, end)

    def _end(self, name: str, region: Region) -> str | None:
        """The end of a range that lies in a region; None where both do, or neither."""
        parameter: Any = self._config.parameters[name]
        if isinstance(parameter, CategoricalParameter):
            return "choices"
        low, high = region.ends(name)
        if (low <= 0) == (high >= 1):
            return None
        return "low" if low <= 0 else "high"

    def line(self, fact: Fact, value: Scalar, region: Region | None) -> str | None:
        """What to type for a fact to have a value, or not to have those of a region any more."""
        name = fact.parameter
        if name is None:
            return None if fact.key is None else f"{fact.key}={typed(value)}"
        parameter = self._config.parameters.get(name)
        if parameter is None:
            return f"fixed.{name}={typed(value)}"
        instead = f"parameters.{name}=null fixed.{name}={typed(value)}"
        if isinstance(parameter, ExpressionParameter) or region is None or name not in region.axes:
            return instead
        if isinstance(parameter, CategoricalParameter):
            inside = {repr(each) for each in region.values(name)}
            left = [typed(each) for each in parameter.choices if repr(each) not in inside]
            return f"parameters.{name}.choices=[{','.join(left)}]" if left else instead
        end = self._end(name, region)
        fits = isinstance(value, int | float) and parameter.low <= value <= parameter.high
        return f"parameters.{name}.{end}={typed(value)}" if end is not None and fits else instead
