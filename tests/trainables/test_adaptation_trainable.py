"""The trainable `adaptation`: two stages, what they train, and what they leave behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

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
from trainables.adaptation.adapted import RECORD
from trainables.adaptation.bits import bits_per_byte, document_bits, windows
from trainables.adaptation.corpus import LEAST_DOCUMENTS, read_corpus
from trainables.adaptation.metrics import BITS, GAIN, STAGE1, START, TOP1
from trainables.adaptation.options import TargetConfig
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.prepared import Preparation
from trainables.adaptation.streams import TokenStream
from trainables.data.encode import start_ids
from trainables.errors import UserError
from trainables.messages import GroupSettings
from trainables.serving.server import Server
from trainables.settings import TaskConfig

pytestmark = pytest.mark.integration

NEW = {"vocabulary": 400, "threshold": 0.5, "lr": 3e-3, "lr_embeddings": 1e-2}
"""Of trials whose tokenizer is trained for them."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "cache"))


def group(folder: Path) -> GroupSettings:
    return settings("adaptation", folder)


def trained(server: Server, to_step: int = STEPS, **changes: Any) -> Any:
    reply = train(server, first_request("adaptation", to_step, **(NEW | changes)))
    assert reply.outcome == "ok", reply.message
    return reply


def test_the_bases_own_tokenizer_measures_as_the_base_does(tmp_path: Path) -> None:
    server = serving(group(tmp_path))
    base = baseline(server)
    for name in ("aligned", "subtokens"):
        assert numbers(baseline(server, name)) | {TOP1: 1.0} == numbers(base)


@pytest.mark.parametrize("stage2", ["full", "lora"])
def test_a_trial_with_its_own_tokenizer_goes_on_anywhere(stage2: str, tmp_path: Path) -> None:
    there = trained(serving(group(tmp_path / "stays")), stage2=stage2)
    request = first_request("adaptation", 2, **NEW, stage2=stage2)
    for rung in (4, STEPS):
        reply = train(serving(group(tmp_path / "moves")), request)
        request = request.following(reply, rung, rung == STEPS)
    last = train(serving(group(tmp_path / "moves")), request)
    assert [loss for _, loss in last.curve] == [loss for _, loss in there.curve][-2:], "in each stage"
    part = {"train_loss": last.metrics["train_loss"]}  # of the last rung alone
    assert last.metrics == there.metrics | part
    assert there.metrics[START] > there.metrics[STAGE1] > there.metrics[BITS], "both stages learn"


def test_stage_1_trains_tables_alone_and_stage_2_the_adapter_too(tmp_path: Path) -> None:
    server = serving(group(tmp_path))
    params = AdaptationParameters(**{**NEW, "stage2": "lora", "batch_size": 4})
    trial = server.held.add("0", params)
    tables = {id(table) for table in trial.trained.tables()}

    def snapshot() -> dict[int, torch.Tensor]:
        return {id(weight): weight.detach().clone() for weight in trial.weights}

    def changed(before: dict[int, torch.Tensor]) -> set[int]:
        return {id(weight) for weight in trial.weights if not torch.equal(weight, before[id(weight)])}

    border = params.stage1_steps(STEPS)
    before = snapshot()
    server.held.start(trial, border)
    for _ in range(border):
        server.held.step(False)
    assert changed(before) == tables
    before = snapshot()
    server.held.start(trial, STEPS)
    for _ in range(STEPS - border):
        server.held.step(False)
    assert changed(before) == {id(weight) for weight in trial.weights}
    server.held.remove(trial)


@pytest.mark.parametrize("stage2", ["full", "lora"])
def test_the_folder_loads_with_model_and_tokenizer(stage2: str, tmp_path: Path) -> None:
    given = group(tmp_path)
    reply = trained(serving(given), stage2=stage2)
    folder = tmp_path / reply.checkpoint
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer) <= NEW["vocabulary"]
    assert model.config.eos_token_id == tokenizer.eos_token_id
    heldout = read_corpus(given.options.task, given.seed).heldout
    pieces = windows(TokenStream.of(tokenizer, heldout, len(tokenizer)), start_ids(tokenizer), 32)
    bits = document_bits(lambda ids: model(ids).logits, pieces, len(tokenizer), torch.device("cpu"))
    assert bits_per_byte(bits, heldout) == pytest.approx(reply.metrics[BITS], rel=1e-5)


def test_the_ranges_of_both_stages_are_those_of_one_stream(tmp_path: Path) -> None:
    reply = trained(serving(group(tmp_path)), stage1=0.34)
    record = json.loads((tmp_path / reply.checkpoint / RECORD).read_text())
    first, second = record["stages"]
    assert (first["first"], first["end"], second["end"]) == (0, second["first"], STEPS * 5)
    assert first["end"] == round(0.34 * STEPS) * 5
    assert record["alignment"]["seconds"] > 0


def test_an_alignment_is_made_once_for_the_same_text_and_tokens(tmp_path: Path) -> None:
    server = serving(group(tmp_path))
    prepared: Preparation = server.held._prepared
    made = prepared.aligned(400, "relative")
    assert not made.cached
    again = serving(group(tmp_path / "again")).held._prepared.aligned(400, "relative")
    assert again.cached
    assert (again.alignment.nearest == made.alignment.nearest).all()
    assert (again.hits, again.seconds) == (made.hits, made.seconds)
    assert not prepared.aligned(401, "relative").cached
    assert not prepared.aligned(400, "procrustes").cached


def test_the_gain_is_what_is_saved_against_the_mean_of_sub_tokens(tmp_path: Path) -> None:
    given = settings("adaptation", tmp_path, probes=(PARAMS["adaptation"] | NEW,))
    target = TargetConfig(vocabulary=NEW["vocabulary"], dimensions=16, least=2)
    given = replace(given, options=given.options.model_copy(update={"target": target, "capability": None}))
    server = serving(given)
    bits, gain, around = {}, {}, {}
    for name in ("base", "subtokens", "aligned"):
        reply = baseline(server, name)
        bits[name], gain[name] = reply.metrics[BITS], reply.metrics[GAIN]
        around[name] = reply.intervals[GAIN]
    share = reply.intervals[TOP1]
    assert 0 <= share.low <= reply.metrics[TOP1] <= share.high <= 1
    assert gain["subtokens"] == 0 == around["subtokens"].low == around["subtokens"].high
    for name in ("base", "aligned"):
        assert gain[name] == pytest.approx(bits["subtokens"] - bits[name])
        assert around[name].low < gain[name] < around[name].high
    own = reply.intervals[BITS]
    assert around["aligned"].high - around["aligned"].low < own.high - own.low, "paired"


def test_a_corpus_of_two_documents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("A calm night.\n\nA gale in the morning.\n")
    with pytest.raises(UserError, match=rf"2 different documents; at least {LEAST_DOCUMENTS}\s"):
        read_corpus(TaskConfig(name="two", train=str(path)), 0)


def test_no_document_is_in_both_parts() -> None:
    task = TaskConfig(name="lighthouse", train="embedded:domain_train.jsonl")
    corpus = read_corpus(task, 3)
    assert not {*corpus.train} & {*corpus.heldout}
    assert corpus == read_corpus(task, 3) != read_corpus(task, 4)


def test_wrong_names_and_two_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'procrustes'"):
        AdaptationParameters(similarity="procruste")
    with pytest.raises(ValueError, match="did you mean 'zero'"):
        AdaptationParameters(fallback="zeros")
    for given in ({}, {"tokenizer": "a", "vocabulary": 3}):
        with pytest.raises(ValueError, match="either tokenizer, or the vocabulary"):
            TargetConfig(**given)
