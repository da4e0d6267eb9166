"""What MLflow accepts: keys and values of its form and length, in batches of its size."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

from search.config.schema import config_model, trainable_of
from search.redact import redact
from trainables.text import printable

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000

MAX_ENTITIES = 1000
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_BYTES = 900_000  # MLflow refuses 1,000,000; the rest is for the request's own keys.
_METRIC_BYTES = 120  # Numbers, names of fields and braces of one metric in JSON.
_PAIR_BYTES = 40
Kind: TypeAlias = Literal["param", "point", "tag"]


def key(name: str) -> str:
    """A name that MLflow accepts for a parameter, metric or tag."""
    clean = re.sub(r"[^/\w.\- ]", "_", name)[:MAX_KEY]
    # MLflow may use names as file paths, and refuses what would not stay where it is.
    if clean.startswith(("/", "..")) or posixpath.normpath(clean) != clean or clean == ".":
        clean = re.sub(r"[/.]", "_", clean)
    return clean or "_"


def text(value: object) -> str:
    """A value as text, without credentials and what steers a terminal or no database takes; lists as JSON."""
    if isinstance(value, list | tuple | dict):
        return redact(json.dumps(value))
    return printable(redact(str(value)))


def param(value: object) -> str:
    """A parameter's value, cut to MLflow's limit."""
    return text(value)[:MAX_PARAM]


def tag(value: object) -> str:
    """A tag's value, cut to MLflow's limit."""
    return text(value)[:MAX_TAG]


def config_params(config: Mapping[str, object]) -> dict[str, str]:
    """The declared fields of a resolved configuration, sections flattened to dotted keys."""
    fields = config_model(trainable_of(config)).model_fields
    declared = {name: config[name] for name in fields if name in config}
    return {key(name): param(value) for name, value in _flatten("", declared)}


def _flatten(prefix: str, section: Mapping[str, object]) -> list[tuple[str, object]]:
    flat: list[tuple[str, object]] = []
    for name, value in section.items():
        if isinstance(value, Mapping):
            flat += _flatten(f"{prefix}{name}.", value)
        else:
            flat.append((f"{prefix}{name}", value))
    return flat


class Point(NamedTuple):
    """One value of a metric.

    Attributes:
        time: Milliseconds since the epoch.
    """

    key: str
    value: float
    time: int
    step: int


@dataclass
class Batch:
    """What one request logs, within every limit of MLflow."""

    params: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def has_room(self, kind: Kind, size: int) -> bool:
        """Whether an entity of `size` bytes can be added."""
        full = (kind == "param" and len(self.params) >= MAX_PARAMS) or (
            kind == "tag" and len(self.tags) >= MAX_TAGS
        )
        entities = len(self.params) + len(self.points) + len(self.tags)
        return not full and entities < MAX_ENTITIES and self.size + size <= MAX_BYTES


def split(params: Mapping[str, str], points: Sequence[Point], tags: Mapping[str, str]) -> Iterator[Batch]:
    """Cuts into as few batches as the limits allow, in order: parameters, metrics, tags.

    MLflow stores a batch in that order too, so a tag that is stored says that all before it is stored.
    """
    entities: Iterator[tuple[Kind, str, str | Point]] = chain(
        (("param", name, value) for name, value in params.items()),
        (("point", point.key, point) for point in points),
        (("tag", name, value) for name, value in tags.items()),
    )
    batch = Batch()
    for kind, name, value in entities:
        size = _size(name, value)
        if not batch.has_room(kind, size):
            yield batch
            batch = Batch()
        batch.size += size
        if isinstance(value, Point):
            batch.points.append(value)
        elif kind == "param":
            batch.params[name] = value
        else:
            batch.tags[name] = value
    if batch.size:
        yield batch


def _size(name: str, value: str | Point) -> int:
    """Bytes in a request's JSON."""
    if isinstance(value, Point):
        return _METRIC_BYTES + len(json.dumps(name))
    return _PAIR_BYTES + len(json.dumps(name)) + len(json.dumps(value))
