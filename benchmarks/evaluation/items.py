"""A model, and multiple-choice questions as tasks of lm-evaluation-harness."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainables.evaluation.questions.items import ChoiceItem, read_items
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.settings import ModelConfig

_MODELS = {
    "embedded": (ModelConfig(name="embedded", source="embedded"), "embedded:skills/facts.jsonl"),
    "smollm2": (
        ModelConfig(name="smollm2", source="HuggingFaceTB/SmolLM2-135M-Instruct", prepare="smollm2"),
        "data/general_knowledge.jsonl",
    ),
}
MODELS = tuple(_MODELS)


@dataclass(frozen=True)
class Shots:
    """Examples before each question: how many, and whether all questions have the same ones.

    "first_n" takes the first ones for every question, "default" draws them anew for each.
    """

    count: int
    sampler: str = "first_n"

    def __str__(self) -> str:
        return f"{self.count} {self.sampler}" if self.count else "0"


SHOTS = (Shots(0), Shots(3), Shots(3, "default"))


def load_model(name: str, dtype: Literal["float32", "bfloat16"] = "float32") -> tuple[Any, Any]:
    """The model on the CPU, and its tokenizer."""
    config = _MODELS[name][0].model_copy(update={"dtype": dtype})
    return load_base(resolve(config), config, "cpu")


def read_questions(model: str, source: str | None, count: int) -> list[ChoiceItem]:
    """The first questions of a file, or of the model's own.

    Raises:
        UserError: They cannot be read.
        ValueError: They have no options.
    """
    items = read_items(source or _MODELS[model][1], "--questions")[:count]
    choices = [item for item in items if isinstance(item, ChoiceItem)]
    if len(choices) < len(items):
        raise ValueError(f"{source}: the questions have no options")
    return choices


def write_task(folder: Path, items: list[ChoiceItem], shots: Shots) -> Path:
    """A task file over the items, which lie beside it."""
    name = f"questions_{shots.count}_{shots.sampler}"
    rows = [{"question": i.question, "options": list(i.options), "answer": i.answer} for i in items]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "fewshot_split": "test",
        "fewshot_config": {"sampler": shots.sampler},
        "num_fewshot": shots.count,
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "options",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(task))  # JSON is YAML
    return path
