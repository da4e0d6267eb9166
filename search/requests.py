"""Requests about a running search from other processes: files in its folder, which its driver answers.

A request is a file that appears whole. The driver carries it out, records the answer under its identifier,
and removes the file: none is lost, and after a kill in between none is carried out twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search.record.events import Params, Scalar, Verb
from search.space import SampledParameter, SearchSpace, SpaceError
from trainables.replacement import replacement

FOLDER = "requests"
_MOST_BYTES = 100_000


class Request(BaseModel):
    """What a user wants of a search.

    Attributes:
        id: Its own; in the order of their identifiers requests are carried out.
        verb: What is wanted.
        trial: The trial that it is about; None for the whole search.
        changes: Of a clone: sampled parameters that are to have other values.
        session: Of the whole search: the session that is meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}")
    verb: Verb
    trial: int | None = None
    changes: Params = {}
    session: int | None = None


def send(folder: Path, request: Request) -> None:
    """Puts a request into a search's folder.

    Raises:
        OSError: The folder cannot be written.
    """
    path = _path(folder, request.id)
    path.parent.mkdir(exist_ok=True)
    with replacement(path, sync=True) as part:
        part.write_text(request.model_dump_json(), encoding="utf-8")


def waiting(folder: Path) -> list[Request]:
    """The requests in a search's folder, in their order; files that are none are left out."""
    return [request for path in sorted(_files(folder)) if (request := _read(path)) is not None]


def remove(folder: Path, identifier: str) -> None:
    """Removes a request that was answered, or is withdrawn."""
    with suppress(OSError):
        _path(folder, identifier).unlink(missing_ok=True)


def cloned_point(space: SearchSpace, sampled: Mapping[str, Scalar], changes: Mapping[str, Scalar]) -> Params:
    """A trial's point with other values of some parameters.

    A parameter that the changes leave without effect is left out.

    Args:
        space: The search's.
        sampled: Of the trial.
        changes: By parameter.

    Raises:
        SpaceError: The point is not in the space, or needs a parameter that neither has.
        ExpressionError: A condition cannot be computed for it.
    """

    def pick(name: str, _: SampledParameter) -> Scalar:
        if name not in changes and name not in sampled:
            raise SpaceError(f"{name} is missing: the changes give it an effect", hint=f"Add {name}=VALUE.")
        return changes[name] if name in changes else sampled[name]

    point = space.walk(pick)
    if problem := space.contains({**point, **changes}):
        raise SpaceError(problem, hint="A clone must lie in the search's space, as every trial does.")
    return point


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (folder / FOLDER).glob("[!.]*.json")


def _path(folder: Path, identifier: str) -> Path:
    return folder / FOLDER / f"{identifier}.json"


def _read(path: Path) -> Request | None:
    """The request in a file; None where it is none, or was removed in the meantime."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        request = Request.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return request if request.id == path.stem else None
