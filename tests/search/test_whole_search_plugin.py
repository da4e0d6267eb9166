"""A trainable of another package goes through whole searches; no file outside its folder knows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.config.load import load_config
from search.record import SearchState, read_events
from search.simulate.options import read_options
from search.space import SearchSpace
from search.warm_start import read_warm_start
from tests.conftest import PLUGINS
from tests.ray_cluster import SharedCluster
from tests.searches import (
    assert_every_trial_finished_once,
    assert_mlflow_holds,
    finish,
    start,
)

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.usefixtures("plugins")]

SPACE = f"space={PLUGINS / 'soft_prompt' / 'space.yaml'}"


@pytest.fixture(scope="module")
def finished(
    plugins: None, cluster: SharedCluster, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A search that has run to its end."""
    out = tmp_path_factory.mktemp("runs")
    words = [SPACE, "name=prompts", f"out={out}", "trials=3", "workers.groups=1"]
    code, output = finish(start(*words, report=True, cluster=cluster))
    assert code == 0, output
    return out, output


def test_it_is_planned_by_what_it_says_of_itself(tmp_path: Path) -> None:
    code, output = finish(start(SPACE, f"out={tmp_path}", "--plan"))
    assert code == 0, output
    assert "each soft prompt takes passes of its own" in output
    assert "virtual_tokens" in output


def test_it_finishes_every_trial_with_what_it_declares(finished: tuple[Path, str]) -> None:
    out, output = finished
    events = read_events(out / "prompts")
    assert_every_trial_finished_once(events, 3)
    state = SearchState.from_events(events)
    assert {"train_loss", "heldout_loss", "heldout_accuracy", "accuracy_kept"} == {
        *state.baselines["base"].metrics
    }
    last = next(trial.last for trial in state.trials.values() if trial.status == "completed")
    assert last is not None
    assert "accuracy_kept" in last.intervals
    files = {path.name for path in (out / "prompts" / str(last.checkpoint)).iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json"} <= files
    assert_mlflow_holds(f"sqlite:///{out / 'mlflow.db'}", state)
    assert "accuracy_kept" in output


def test_its_report_has_no_broken_card_and_speaks_of_soft_prompts(finished: tuple[Path, str]) -> None:
    out, _ = finished
    cards = json.loads((out / "prompts" / "report" / "report.json").read_text())["cards"]
    assert {name: card["message"] for name, card in cards.items() if card["state"] == "error"} == {}
    summary = (out / "prompts" / "summary.md").read_text()
    assert "soft prompt" in summary
    assert "LoRA" not in summary


def test_it_is_simulated(finished: tuple[Path, str]) -> None:
    options = read_options([f"search={finished[0] / 'prompts'}", "scheduler=asha"])
    assert options.config.options.model.name == "embedded"


def test_another_search_begins_with_what_it_found(finished: tuple[Path, str]) -> None:
    out, _ = finished
    words = [SPACE, "name=more", f"warm_start={out / 'prompts'}"]
    config = load_config(words).config
    taken = read_warm_start(config, SearchSpace(config.parameters, config.fixed))
    state = SearchState.from_events(read_events(out / "prompts"))
    assert [trial.sampled for trial in taken.trials] == [
        state.trials[trial.trial].proposed.sampled for trial in taken.trials
    ]
    assert taken.trials[0].sampled.keys() == {"lr", "virtual_tokens"}
