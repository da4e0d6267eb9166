"""From the configuration to what a worker group must know."""

from __future__ import annotations

from pathlib import Path

from search.config.schema import SearchConfig
from search.groups.limit import configured_limit
from search.groups.probes import probes
from search.space import SearchSpace
from trainables.messages import GroupSettings
from trainables.settings import HARNESS, CapabilityConfig, ModelConfig, SkillConfig, TaskConfig


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
        model=_model(config.options.model),
        task=_task(config.options.task),
        capability=_capability(config.options.capability),
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


def _sources(given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return _absolute(given) if isinstance(given, str) else tuple(map(_absolute, given))


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if Path(path).exists() else path


def _model(model: ModelConfig) -> ModelConfig:
    return model.model_copy(update={"source": _absolute(model.source)})


def _task(task: TaskConfig) -> TaskConfig:
    heldout = None if task.heldout is None else _sources(task.heldout)
    return task.model_copy(update={"train": _sources(task.train), "heldout": heldout})


def _skill_path(skill: SkillConfig) -> str:
    return _absolute(skill.path) if skill.harness is None else f"{HARNESS}{_absolute(skill.harness)}"


def _capability(capability: CapabilityConfig) -> CapabilityConfig:
    skills = tuple(skill.model_copy(update={"path": _skill_path(skill)}) for skill in capability.skills)
    general = None if capability.general_text is None else _absolute(capability.general_text)
    return capability.model_copy(update={"skills": skills, "general_text": general})
