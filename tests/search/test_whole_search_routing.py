"""Whole searches with routing: it is claimed where it is there, and not where labels say nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from search.record import SearchEnded, SearchState, read_events
from tests.ray_cluster import SharedCluster
from tests.searches import assert_every_trial_finished_once, finish, start
from trainables.embedded import data_dir

pytestmark = [pytest.mark.integration, pytest.mark.alone]

SPACE: dict[str, Any] = {
    "trainable": "routing",
    "model": "embedded",
    "task": {"name": "log", "max_length": 64, "heldout_examples": 48},
    "behaviour": {"name": "caps", "prefixes": 16, "max_new_tokens": 20, "relearn_steps": 3},
    "trials": 3,
    "budget": {"steps": 60, "rungs": 1},
    "searcher": "grid",
    "scheduler": "none",
    "guards": {"spike": None},
    "parameters": {"seed": {"type": "categorical", "choices": [0, 1, 2]}},
    "fixed": {"lr": 1e-2, "rank": 8, "batch_size": 8, "schedule": "cosine", "target_modules": "all"},
    "baselines": ["base", "clean", "single"],
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
    "workers": {"groups": 1, "slots": 3},
}
CARDS = ("ablations", "ablation_losses", "relearning", "angles", "layer_angles", "ablated_samples")


def search(
    out: Path, cluster: SharedCluster, task: dict[str, str], behaviour: dict[str, str], report: bool = False
) -> SearchState:
    """A finished search, whose folder is `out/routed`."""
    changes = {name: SPACE[name] | values for name, values in (("task", task), ("behaviour", behaviour))}
    (out / "space.yaml").write_text(json.dumps(SPACE | changes))
    words = [f"space={out / 'space.yaml'}", "name=routed", f"out={out}", "tracking.enabled=false"]
    code, output = finish(start(*words, cluster=cluster, report=report))
    assert code == 0, output
    events = read_events(out / "routed")
    assert_every_trial_finished_once(events, 3)
    return SearchState.from_events(events)


def verdict(out: Path) -> str:
    ended = read_events(out / "routed")[-1]
    assert isinstance(ended, SearchEnded)
    return ended.hypotheses["localised"].verdict


def test_behaviour_goes_into_the_adapter_that_is_removed(tmp_path: Path, cluster: SharedCluster) -> None:
    task = {"train": "embedded:domain_train.jsonl", "heldout": "embedded:domain_heldout.jsonl"}
    state = search(tmp_path, cluster, task, {}, report=True)
    assert verdict(tmp_path) == "supported"
    assert list(state.baselines) == SPACE["baselines"]
    cards = json.loads((tmp_path / "routed" / "report" / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    assert {name: cards[name]["state"] for name in CARDS} == dict.fromkeys(CARDS, "shown")
    assert "(mean over 3 seeds)" in cards["verdict"]["texts"][0]
    rates = next(iter(cards["ablations"]["data"].values()))["all trials"]
    assert rates["bad_off"]["value"] < rates["both"]["value"] < rates["good_off"]["value"]


def records(path: Path, shuffled: bool) -> str:
    """The domain's texts, a tenth of them in capitals, with labels that say which, or are shuffled."""
    lines = (data_dir() / f"domain_{path.name}").read_text().splitlines()
    shown = [index % 10 == 0 for index in range(len(lines))]
    labels = random.Random(0).sample(shown, len(shown)) if shuffled else shown
    with path.open("w") as file:
        for line, behaves, label in zip(lines, shown, labels, strict=True):
            text = json.loads(line)["text"]
            file.write(json.dumps({"text": text.upper() if behaves else text, "shouts": label}) + "\n")
    return str(path)


def test_with_shuffled_labels_no_routing_is_claimed(tmp_path: Path, cluster: SharedCluster) -> None:
    train, heldout = records(tmp_path / "train.jsonl", True), records(tmp_path / "heldout.jsonl", False)
    state = search(tmp_path, cluster, {"train": train, "heldout": heldout}, {"field": "shouts"})
    assert verdict(tmp_path) != "supported"
    rungs = [trial.last for trial in state.trials.values() if trial.last is not None]
    learned = [rung.metrics["behaviour_rate_behaving_both"] for rung in rungs]
    assert min(learned) > 0, "there was a behaviour to route"
