"""Task files for lm-evaluation-harness over questions of the embedded model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from trainables.data.sources import local_path


def questions(skill: str, count: int) -> list[dict[str, Any]]:
    """The first questions of an embedded skill."""
    lines = local_path(f"embedded:skills/{skill}.jsonl", "test").read_text().splitlines()
    return [json.loads(line) for line in lines[:count]]


def write_task(folder: Path, name: str, rows: list[dict[str, Any]], **config: Any) -> Path:
    """Writes a task file with its documents beside it."""
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / f"{name}.yaml"
    settings = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}, "cache_dir": str(folder / "cache")},
        "test_split": "test",
        "fewshot_split": "test",
        "num_fewshot": 0,
    }
    path.write_text(yaml.safe_dump({**settings, **config}))
    return path


def choice_task(folder: Path, shots: int, count: int = 14) -> Path:
    """Facts as multiple choice, by likelihood."""
    return write_task(
        folder,
        f"facts_{shots}",
        questions("facts", count),
        output_type="multiple_choice",
        description="Answer shortly. ",
        doc_to_text="{{question}} Answer: ",  # the space goes with the answer
        doc_to_choice="options",
        doc_to_target="answer",
        target_delimiter="",
        num_fewshot=shots,
        metric_list=[{"metric": metric} for metric in ("acc", "acc_norm", "acc_bytes", "mcc", "brier_score")],
    )


def graded_task(folder: Path) -> Path:
    """Facts whose score is the task's own, and neither 0 nor 1."""
    (folder / "grading.py").write_text('def grade(doc, results):\n    return {"acc": 0.5}\n')
    path = write_task(
        folder,
        "graded",
        questions("facts", 3),
        output_type="multiple_choice",
        doc_to_text="question",
        doc_to_choice="options",
        doc_to_target="answer",
        metric_list=[{"metric": "acc"}],
    )
    path.write_text(f"{path.read_text()}process_results: !function grading.grade\n")
    return path


def generation_task(folder: Path, count: int = 14) -> Path:
    """Sums, by generation, read by two filters."""
    number = {"function": "regex", "regex_pattern": r"(-?\d+)"}
    first = {"function": "take_first"}
    return write_task(
        folder,
        "sums",
        questions("arithmetic", count),
        output_type="generate_until",
        doc_to_text="<|user|>{{question}}<|end|><|assistant|>",
        doc_to_target="answer",
        generation_kwargs={"until": ["5", "\n"], "max_gen_toks": 8, "do_sample": False},
        filter_list=[
            {"name": "number", "filter": [number, first]},
            {"name": "plain", "filter": [first]},
        ],
        metric_list=[{"metric": "exact_match", "ignore_case": True}],
    )


def text_task(folder: Path) -> Path:
    """Perplexity of texts, one of which is longer than the embedded model's context."""
    rows = [row["question"] for row in questions("facts", 60)]
    return write_task(
        folder,
        "texts",
        [{"text": " ".join(rows)}, {"text": rows[0]}, {"text": " ".join(rows[:9])}],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="text",
        metric_list=[{"metric": metric} for metric in ("word_perplexity", "bits_per_byte")],
    )


def last_word_task(folder: Path) -> Path:
    """Whether the answer is what the model would say, by likelihood."""
    return write_task(
        folder,
        "answers",
        [{**row, "answer": row["options"][row["answer"]]} for row in questions("facts", 8)],
        output_type="loglikelihood",
        doc_to_text="<|user|>{{question}}<|end|><|assistant|>",
        doc_to_target="answer",
        metric_list=[{"metric": "acc"}, {"metric": "perplexity"}],
    )
