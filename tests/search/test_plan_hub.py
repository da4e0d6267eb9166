"""Plans of a model that is on the hub and not on this machine, against a hub of this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.config.load import load_config
from search.plan import Plan, make_plan
from search.run import main
from tests.hub import Hub, asked_here, serve_hub
from tests.search.config_files import write_space
from trainables.models import hub as client

MODEL = "org/name"
WEIGHTS = bytes(3_000_000)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with serve_hub() as served, asked_here(served, str(tmp_path / "cache"), monkeypatch):
        yield served


def plan(*words: str) -> Plan:
    return make_plan(load_config(["space=space.yaml", f"model={MODEL}", *words]).config)


def llama(**changes: object) -> bytes:
    config = {
        "model_type": "llama",
        "vocab_size": 100,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    return json.dumps(config | changes).encode()


@pytest.mark.parametrize("family", ["phi3", "qwen3_moe"])
def test_sizes_are_those_that_config_json_gives_and_nothing_else_is_fetched(hub: Hub, family: str) -> None:
    from tests.trainables.families import tiny

    model = tiny(family)
    hub.models[MODEL] = {
        "config.json": json.dumps(model.config.to_dict()).encode(),
        "model-00001-of-00002.safetensors": WEIGHTS,
        "model-00002-of-00002.safetensors": WEIGHTS,
        "original/model.safetensors": WEIGHTS,
        "consolidated.safetensors": WEIGHTS,
    }
    shown = plan()
    assert shown.base_parameters == sum(tensor.numel() for tensor in model.parameters())
    assert shown.estimate is not None
    assert all(trial.trainable for trial in shown.first)
    notes = " ".join(shown.notes)
    assert "from the config.json of org/name" in notes
    assert "6.0 MB of weights of org/name are downloaded" in notes
    assert (shown.problems, hub.served) == ((), ["config.json"])
    assert plan().base_parameters == shown.base_parameters
    assert hub.served == ["config.json"]


def test_a_disk_without_room_for_the_weights_is_a_problem(
    hub: Hub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub.models[MODEL] = {"config.json": llama(), "model.safetensors": b""}
    hub.claimed["model.safetensors"] = 10**15
    (problem,) = plan().problems
    assert "the weights of org/name take 1000000.0 GB, and" in str(problem)
    assert f"{tmp_path / 'cache'} has" in str(problem)
    for mode in ([], ["--plan"]):
        assert main(["space=space.yaml", f"model={MODEL}", *mode]) == 2
        shown = capsys.readouterr()
        assert "take 1000000.0 GB" in " ".join((shown.out + shown.err).split())
    assert not Path("runs").exists()


def test_a_model_that_is_not_trained_is_refused_before_its_weights_are_fetched(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    quantised = {"quant_method": "gptq", "bits": 4}
    hub.models[MODEL] = {"config.json": llama(quantization_config=quantised), "model.safetensors": WEIGHTS}
    assert main(["space=space.yaml", f"model={MODEL}"]) == 2
    assert "model.source: " in (said := capsys.readouterr().err)
    assert "the weights are quantised (gptq)" in said
    assert hub.served == ["config.json"]


@pytest.mark.parametrize(
    ("hangs", "limit", "why"),
    [
        ("/api/", "REQUEST_SECONDS", "cannot be reached"),
        ("/resolve/", "PATIENCE_SECONDS", "did not answer within 1 s"),
    ],
)
def test_a_hub_that_does_not_answer_is_not_waited_for(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, hangs: str, limit: str, why: str
) -> None:
    monkeypatch.setattr(client, limit, 1.0)
    hub.models[MODEL] = {"config.json": llama(), "model.safetensors": WEIGHTS}
    hub.hangs = hangs
    began = time.monotonic()
    shown = plan()
    assert time.monotonic() - began < 10
    assert (shown.estimate, shown.base_parameters) == (None, None)
    assert any("not known" in note and why in note for note in shown.notes)


def test_what_the_hub_does_not_have_and_what_is_not_asked_is_said(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.models[MODEL] = {"model.safetensors": WEIGHTS}
    assert any("it has no config.json on the hub" in note for note in plan().notes)
    client._asked.cache_clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert any("HF_HUB_OFFLINE is set" in note for note in plan().notes)
    assert main(["space=space.yaml", f"model={MODEL}", "--plan"]) == 0


def test_a_preset_that_is_not_prepared_has_the_sizes_of_what_will_be(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "empty"))
    shown = make_plan(load_config(["space=space.yaml", "model=smollm2"]).config)
    assert shown.base_parameters == 134_515_008
    assert shown.estimate is not None
    assert any("what prepares smollm2" in note for note in shown.notes)
