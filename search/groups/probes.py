"""Trials that a worker group measures with before it serves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from search.config.schema import SearchConfig
from search.record.events import Params
from search.searchers.draw import draw
from search.space import SearchSpace

MOST = 32
"""A power of two, up to which packs are tried: small models at short lengths gain up to there."""
_DRAWS = 16 * MOST


def probes(config: SearchConfig, space: SearchSpace) -> tuple[Params, ...]:
    """Every parameter of 32 trials like those that the search will train, the same for the same seed.

    The points that the space lists come first, then points drawn uniformly from it. They are distinct
    where the space has that many; where it has fewer, they come again with other seeds.

    Raises:
        ExpressionError: An expression of the space cannot be computed for one of the points.
    """
    distinct: dict[str, tuple[int, Params]] = {}
    again: list[tuple[int, Params]] = []
    for number, sampled in enumerate(islice(_points(config, space), _DRAWS)):
        if distinct.setdefault(repr(sorted(sampled.items())), (number, sampled))[0] != number:
            again.append((number, sampled))
        if len(distinct) == MOST:
            break
    chosen = [*distinct.values(), *again][:MOST]
    return tuple(space.resolve(sampled, number, config.seed) for number, sampled in chosen)


def _points(config: SearchConfig, space: SearchSpace) -> Iterator[Params]:
    yield from (dict(point) for point in config.points)
    number = 0
    while True:
        yield draw(space, config.seed, number)
        number += 1
