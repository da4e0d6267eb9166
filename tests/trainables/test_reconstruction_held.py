"""Trials of reconstruction in a worker, beside their baselines, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from search.config.load import load_config
from search.errors import ConfigError
from search.plan.build import make_plan
from tests.trainables.conforming import (
    PARAMS,
    STEPS,
    baseline,
    first_request,
    numbers,
    serving,
    settings,
    train,
)
from trainables import embedded
from trainables.reconstruction.held import Reconstruction
from trainables.reconstruction.metrics import TERMS
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.reconstruction.trained import LORA_FOLDER, load_rebuilder
from trainables.serving.server import Server
from trainables.serving.single import DIAGNOSTICS

pytestmark = pytest.mark.integration

WIDTH = 128
NAME = "reconstruction"
READINGS = Path(__file__).parent / "readings.jsonl"
ANSWERS = ("f1", "exact_match", "f1_shuffled", "unique_replies", "commonest_reply")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    whole = PARAMS[NAME] | {"latent": WIDTH}
    return serving(settings(NAME, tmp_path_factory.mktemp("group"), probes=(whole,)))


def _kept(server: Server, name: str) -> Path:
    with server._storage.reading(name) as path:
        return path


def _folder(server: Server, trial: int) -> Path:
    return _kept(server, f"trials/{trial}/rung-0")


def test_the_inverse_projection_at_full_dimension_is_the_text(server: Server) -> None:
    text, inverse = baseline(server), baseline(server, "pca")
    assert {name: text.metrics[name] for name in ANSWERS} == {name: inverse.metrics[name] for name in ANSWERS}
    assert text.items == inverse.items
    assert inverse.metrics["reconstruction_cosine"] == pytest.approx(1.0, abs=1e-5)
    assert inverse.metrics["first_token_loss"] == pytest.approx(text.metrics["first_token_loss"], rel=1e-4)
    truncated = baseline(server, "truncated")
    assert truncated.metrics["first_token_loss"] != pytest.approx(text.metrics["first_token_loss"], rel=1e-4)


def test_every_step_says_what_its_loss_is_the_sum_of(server: Server) -> None:
    reply = train(server, first_request(NAME))
    lines = [json.loads(line) for line in (_folder(server, 0) / DIAGNOSTICS).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    for line in lines:
        assert sum(line[term] for term in TERMS) == pytest.approx(line["loss"], rel=1e-5)
        assert sum(line[f"share_{term}"] for term in TERMS) == pytest.approx(1.0, rel=1e-5)
        assert line["gradient_norm"] > 0
        assert line["lr"] > 0
    for term in TERMS:
        mean = sum(line[f"share_{term}"] for line in lines) / STEPS
        assert reply.metrics[f"loss_share_{term}"] == pytest.approx(mean)
    assert reply.metrics["loss_share_answer"] > 0.5, "a weight of 1 is most of this loss"


def test_replies_are_kept_for_reading(server: Server) -> None:
    reply = train(server, first_request(NAME))
    assert reply.items_file is not None
    rows = pq.read_table(_kept(server, str(reply.items_file))).to_pylist()
    mine = [row for row in rows if row["scoring"] == "generation"]
    assert sum(row["values"][0] for row in mine) / len(mine) == pytest.approx(reply.metrics["f1"])
    assert len({row["reply"] for row in mine}) / len(mine) == pytest.approx(reply.metrics["unique_replies"])
    assert reply.items["exact_match"].count("1") / len(mine) == pytest.approx(reply.metrics["exact_match"])
    assert len(rows) == 2 * len(mine)


def test_without_lora_the_model_stays_as_it_is_and_with_it_the_baseline_has_none(server: Server) -> None:
    alone = numbers(train(server, first_request(NAME, rank=0, latent=WIDTH)))
    without = baseline(server, "no_lora")
    measured = {name: value for name, value in alone.items() if name in without.metrics}
    assert measured.pop("train_loss") == pytest.approx(without.metrics["train_loss"], rel=1e-6)
    assert {name: without.metrics[name] for name in measured} == pytest.approx(measured, rel=1e-6)
    assert not (_folder(server, 0) / LORA_FOLDER).exists()


def test_a_reconstruction_alone_is_learned_without_a_pass_of_the_model(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: Any = server.held
    assert isinstance(held, Reconstruction)
    monkeypatch.setattr(held._reader, "answer_logits", None)
    request = first_request(NAME, rank=0, answer_weight=0.0, distillation_weight=0.0)
    reply = train(server, request)
    assert reply.outcome == "ok", reply.message
    assert reply.metrics["loss_share_reconstruction"] == 1.0
    lines = (_folder(server, 0) / DIAGNOSTICS).read_text().splitlines()
    assert all(json.loads(line)["gradient_norm"] > 0 for line in lines)
    assert reply.metrics["reconstruction_cosine"] > 0.85


def test_the_lora_is_what_peft_loads_and_the_rebuilder_what_was_trained(server: Server) -> None:
    train(server, first_request(NAME, lr=3e-2))
    held, folder = server.held, _folder(server, 0)
    assert isinstance(held, Reconstruction)
    (_, trial) = server._trials[0]
    trained: Any = trial.trained  # type: ignore[attr-defined]
    ids = torch.arange(20, 40)[None]
    held._hooks.current = trained.lora
    with torch.no_grad():
        expected = held.base.model(input_ids=ids).logits
        held._hooks.current = None
        plain = held.base.model(input_ids=ids).logits
        base = AutoModelForCausalLM.from_pretrained(embedded.model_dir(), dtype=torch.float32)
        loaded = PeftModel.from_pretrained(base, folder / LORA_FOLDER).eval()
        assert torch.allclose(loaded(input_ids=ids).logits, expected, atol=1e-4)
        assert not torch.allclose(plain, expected, atol=1e-3)
        real = held._reader.embed(range(30))
        assert torch.equal(load_rebuilder(folder)(real), trained(real))
    layers = {site.split(".")[2] for site in trained.lora.sites}
    assert layers == {"0", "1"}, "the first two"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent": 129}, "latent: 129 dimensions, but the model's embeddings have 128"),
        ({"layers": 6}, "layers: LoRA on the first 6 layers, but the model has 5"),
        ({"answer_tokens": 99}, "answer_tokens: the first 99 tokens of answers, but the longest has"),
        ({"answer_weight": 0.0, "distillation_weight": 0.0}, "LoRA gets no gradient"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_step(
    server: Server, changes: dict[str, Any], message: str
) -> None:
    reply = train(server, first_request(NAME, trial=9, **changes))
    assert reply.outcome == "user"
    assert message in reply.message
    assert reply.step == 0


def _config(*changes: str) -> Any:
    given = ["space=reconstruction", "model=embedded", f"task.train={READINGS}", "task.heldout_fraction=0.3"]
    steps = ["budget.epochs=null", "budget.steps=6"]
    return load_config([*given, *steps, *changes]).config


def test_the_plan_s_number_of_trained_parameters_is_the_trial_s(server: Server) -> None:
    plan = make_plan(_config("points=[{rank: 4, alpha: 8, layers: 2}]", "trials=1", "fixed.latent=24"))
    held: Any = server.held
    params = ReconstructionParameters(rank=4, alpha=8, layers=2, latent=24)
    made = held.add("counted", params)
    assert plan.first[0].trainable == sum(weight.numel() for weight in made.weights)
    held.remove(made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fixed.latent=129", r"fixed\.latent: 129 dimensions, but the model's embeddings have 128"),
        ("parameters.layers.choices=[2,3,4,5,6]", r"parameters\.layers: 6 layers, but the model has 5"),
        ("fixed.answer_tokens=99", r"fixed\.answer_tokens: 99 tokens of an answer, but the longest has"),
        ("task.max_length=300", r"task\.max_length: a prompt of 300 tokens and an answer of"),
        ("task.max_length=9", "no room for a word of its passage in 9 tokens"),
        ("task.heldout_examples=1", r"task\.heldout: 1 questions are left"),
    ],
)
def test_a_search_that_could_not_be_trained_is_refused_in_the_plan(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_plan(_config(change))
