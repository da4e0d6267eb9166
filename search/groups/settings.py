"""From the configuration to what a worker group must know."""

from __future__ import annotations

from pathlib import Path

from search.config.schema import SearchConfig
from search.groups.limit import configured_limit
from search.groups.probes import probes
from search.space import SearchSpace
from trainables.messages import GroupSettings
from trainables.specs import TRAINABLES


def group_settings(
    config: SearchConfig, folder: Path, cpus: float, groups: int = 1, use_gpu: bool = False
) -> GroupSettings:
    """Settings with local paths made absolute: workers may run in another folder.

    Args:
        config: The search.
        folder: The search's folder.
        cpus: CPUs per worker.
        groups: Number of groups.
        use_gpu: Whether workers are given a GPU.

    Raises:
        ExpressionError: An expression of the space cannot be computed for a trial to measure with.
    """
    limit = configured_limit(config, groups)
    asked = config.workers.slots
    return GroupSettings(
        trainable=config.trainable,
        options=TRAINABLES[config.trainable].localise(config.options),
        seed=config.seed,
        total_steps=config.budget.full_steps,
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
    )
