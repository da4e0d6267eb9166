"""Settings with local paths made absolute: workers may run in another folder."""

from __future__ import annotations

from pathlib import Path

from trainables.settings import HARNESS, CapabilityConfig, ModelConfig, SkillConfig, TaskConfig


def absolute_model(model: ModelConfig) -> ModelConfig:
    """The model with the path of its folder made absolute."""
    return model.model_copy(update={"source": _absolute(model.source)})


def absolute_task(task: TaskConfig) -> TaskConfig:
    """The task with the paths of its files made absolute."""
    heldout = None if task.heldout is None else _sources(task.heldout)
    return task.model_copy(update={"train": _sources(task.train), "heldout": heldout})


def absolute_capability(capability: CapabilityConfig) -> CapabilityConfig:
    """The capability with the paths of its questions and texts made absolute."""
    skills = tuple(skill.model_copy(update={"path": _skill_path(skill)}) for skill in capability.skills)
    general = None if capability.general_text is None else _absolute(capability.general_text)
    return capability.model_copy(update={"skills": skills, "general_text": general})


def _sources(given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return _absolute(given) if isinstance(given, str) else tuple(map(_absolute, given))


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if Path(path).exists() else path


def _skill_path(skill: SkillConfig) -> str:
    return _absolute(skill.path) if skill.harness is None else f"{HARNESS}{_absolute(skill.harness)}"
