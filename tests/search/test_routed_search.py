"""Routing is claimed where it is there, and not where labels say nothing: searches in this process."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from search.record import read_events
from tests.one_process import Run, run_here
from tests.searches import assert_every_trial_finished_once
from trainables.embedded import data_dir

pytestmark = pytest.mark.integration

SPACE: dict[str, Any] = {
    "trainable": "routing",
    "model": "embedded",
    "task": {"name": "log", "max_length": 64, "heldout_examples": 24},
    "behaviour": {"name": "caps", "prefixes": 12, "max_new_tokens": 12, "relearn_steps": 0},
    "trials": 3,
    "budget": {"steps": 40, "rungs": 1},
    "searcher": "grid",
    "scheduler": "none",
    "guards": {"spike": None},
    "parameters": {"seed": {"type": "categorical", "choices": [0, 1, 2]}},
    "fixed": {"lr": 1e-2, "rank": 8, "batch_size": 8, "schedule": "cosine", "target_modules": "all"},
    "objectives": [
        {"metric": "clean_loss_bad_off", "direction": "min"},
        {"metric": "behaviour_rate_bad_off", "direction": "min"},
    ],
    "confirm": {"candidates": 0},
    "hypotheses": {
        "localised": {
            "claim": "behaviour_rate_good_off - behaviour_rate_bad_off > 0.5 * behaviour_rate_both",
            "over": "all",
        }
    },
}


def search(out: Path, task: dict[str, str], behaviour: dict[str, str]) -> Run:
    """A finished search of three seeds."""
    changes = {name: SPACE[name] | values for name, values in (("task", task), ("behaviour", behaviour))}
    (out / "space.yaml").write_text(json.dumps(SPACE | changes))
    run = run_here(f"space={out / 'space.yaml'}", "name=routed", f"out={out}")
    assert_every_trial_finished_once(read_events(run.folder), 3)
    return run


def test_behaviour_goes_into_the_adapter_that_is_removed(tmp_path: Path) -> None:
    task = {"train": "embedded:domain_train.jsonl", "heldout": "embedded:domain_heldout.jsonl"}
    run = search(tmp_path, task, {})
    assert run.ended.hypotheses["localised"].verdict == "supported"
    for trial in run.state.trials.values():
        assert trial.last is not None
        both, good_off, bad_off = (
            trial.last.metrics[f"behaviour_rate_{way}"] for way in ("both", "good_off", "bad_off")
        )
        assert bad_off < both < good_off


def records(path: Path, shuffled: bool) -> str:
    """The domain's texts, a quarter of them in capitals, with labels that say which, or are shuffled."""
    lines = (data_dir() / f"domain_{path.name}").read_text().splitlines()
    shown = [index % 4 == 0 for index in range(len(lines))]
    labels = random.Random(0).sample(shown, len(shown)) if shuffled else shown
    with path.open("w") as file:
        for line, behaves, label in zip(lines, shown, labels, strict=True):
            text = json.loads(line)["text"]
            file.write(json.dumps({"text": text.upper() if behaves else text, "shouts": label}) + "\n")
    return str(path)


def test_with_shuffled_labels_no_routing_is_claimed(tmp_path: Path) -> None:
    train, heldout = records(tmp_path / "train.jsonl", True), records(tmp_path / "heldout.jsonl", False)
    run = search(tmp_path, {"train": train, "heldout": heldout}, {"field": "shouts"})
    assert run.ended.hypotheses["localised"].verdict != "supported"
    rungs = [trial.last for trial in run.state.trials.values() if trial.last is not None]
    learned = [rung.metrics["behaviour_rate_behaving_both"] for rung in rungs]
    assert min(learned) > 0, "there was a behaviour to route"
