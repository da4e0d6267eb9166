"""The embedded model, and what lm-evaluation-harness itself says of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from trainables.evaluation.harness import library
from trainables.settings import ModelConfig

installed = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"
)


CONFIG = ModelConfig(name="embedded", source="embedded")


def theirs(base: tuple[Any, Any], path: Path, seed: int) -> list[dict[str, Any]]:
    """What the harness itself says, by its own model class."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    task = library.load_task(str(path), "test", seed)
    lm = HFLM(pretrained=base[0], tokenizer=base[1], batch_size=5)
    found = evaluate(lm, {"tasks": {task.task_name: task}, "groups": {}}, bootstrap_iters=0)
    assert found is not None
    samples: list[dict[str, Any]] = found["samples"][task.task_name]
    return [{**sample, "results": found["results"][task.task_name]} for sample in samples]
