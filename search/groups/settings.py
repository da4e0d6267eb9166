"""What a worker group must know, from the configuration: limits of its slots, trials to measure with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import trainables
from search.config.schema import SearchConfig
from search.record.events import Params
from search.searchers import SEARCHERS
from search.searchers.draw import draw
from search.space import SearchSpace
from trainables.contents import path_digest
from trainables.data.sources import user_path
from trainables.messages import Distant, GroupSettings
from trainables.specs import TRAINABLES
from trainables.versions import training_versions


@dataclass(frozen=True)
class SlotLimit:
    """The slots of one group.

    Attributes:
        slots: Their number; None: the group measures, and chooses.
        most: It never opens more.
        reason: Why not more, in words.
    """

    slots: int | None
    most: int
    reason: str


def slot_limit(
    asked: int | Literal["auto"], trials: int, groups: int, learns: bool, unpacked: str | None
) -> SlotLimit:
    """Bounds the slots of a group by what the search can use.

    Args:
        asked: `workers.slots`.
        trials: Trials of the whole search.
        groups: Worker groups.
        learns: Whether the searcher learns from results. What it proposes at the same time is proposed
            without learning from one another, so that "auto" has at most half of the trials at once.
        unpacked: Why trials of the trainable run one at a time, or None.
    """
    if unpacked is not None:
        return SlotLimit(1, 1, unpacked)
    share = max(1, -(-trials // groups))
    if asked != "auto":
        if asked > share:
            return SlotLimit(share, share, f"{asked} asked for, and no group gets more trials")
        return SlotLimit(asked, asked, "workers.slots")
    if learns:
        half = max(1, trials // (2 * groups))
        return SlotLimit(None, half, "at most half of the trials at once: the searcher learns from results")
    return SlotLimit(None, share, "no group gets more trials")


def configured_limit(config: SearchConfig, groups: int) -> SlotLimit:
    """`slot_limit` of a search with this many groups."""
    learns = SEARCHERS[config.searcher.name].learns
    unpacked = TRAINABLES[config.trainable].unpacked
    return slot_limit(config.workers.slots, config.trials, groups, learns, unpacked)


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


def group_settings(
    config: SearchConfig,
    folder: Path,
    cpus: float,
    groups: int = 1,
    use_gpu: bool = False,
    longest: int | None = None,
    marker: str | None = None,
) -> GroupSettings:
    """Settings with local paths made absolute: workers may run in another folder.

    Args:
        config: The search.
        folder: The search's folder.
        cpus: CPUs per worker.
        groups: Number of groups.
        use_gpu: Whether workers are given a GPU.
        longest: Steps of the longest trial, where each has its own number.
        marker: Name of a file in the search's folder, where workers may run on other machines.

    Raises:
        ExpressionError: An expression of the space cannot be computed for a trial to measure with.
    """
    limit = configured_limit(config, groups)
    asked = config.workers.slots
    inputs: dict[str, str] = {}

    def place(path: str) -> str:
        here = user_path(path)
        if not os.path.exists(here):
            return path
        absolute = str(here.resolve())
        if marker is not None and (digest := path_digest(Path(absolute))) is not None:
            inputs[absolute] = digest
        return absolute

    options = TRAINABLES[config.trainable].localise(config.options, place)
    distant = None
    if marker is not None:
        code = str(Path(trainables.__file__).parent)
        distant = Distant(marker, inputs, training_versions(), code, platform.node())
    return GroupSettings(
        trainable=config.trainable,
        options=options,
        seed=config.seed,
        total_steps=config.budget.full_steps if longest is None else longest,
        zero_stage=config.workers.zero_stage,
        micro_batch=config.workers.micro_batch,
        gradient_checkpointing=config.workers.gradient_checkpointing,
        sequence_packing=config.workers.sequence_packing,
        folder=str(folder.resolve()),
        threads=max(1, int(cpus)),
        use_gpu=use_gpu,
        slots=limit.slots if asked == "auto" else asked,
        most_slots=limit.most,
        probes=probes(config, SearchSpace(config.parameters, config.fixed)),
        spike=config.guards.spike,
        distant=distant,
    )
