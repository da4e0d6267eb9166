"""Adaptation of other families: a table of its own for the head, biases, fused layers, other tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainables.chat_tokenizers import tokenizer
from tests.trainables.conforming import STEPS, digest, serving, settings
from tests.trainables.families import tiny
from trainables.adaptation.adapted import Adapted
from trainables.adaptation.corpus import read_corpus
from trainables.adaptation.options import TargetConfig
from trainables.adaptation.parameters import AdaptationParameters
from trainables.settings import ModelConfig, TaskConfig

pytestmark = pytest.mark.integration

TASK = TaskConfig(
    name="lighthouse",
    train="embedded:domain_train.jsonl",
    heldout="embedded:domain_heldout.jsonl",
    heldout_examples=4,
    max_length=48,
)
PARAMS = AdaptationParameters(lr=3e-3, lr_embeddings=1e-2, batch_size=4, threshold=0.5)


@cache
def tokens(kind: str, size: int) -> Any:
    """A tokenizer of a kind that is trained on the log; "unigram" is as SentencePiece makes them."""
    return tokenizer(kind).train_new_from_iterator([*read_corpus(TASK, 0).train], size, show_progress=False)


@dataclass(frozen=True)
class Case:
    """A family with the kinds of tokens that it has and gets, and parts of its tables.

    Attributes:
        tables: Embeddings, and the head and its bias where they are others.
    """

    family: str
    source: str
    target: str
    tables: int


CASES = (
    Case("llama", "bytes", "unigram", 2),
    Case("gpt_neox", "unigram", "bytes", 2),
    Case("phi", "bytes", "unigram", 3),
    Case("gpt2", "bytes", "bytes", 1),
)


@pytest.fixture(params=CASES, ids=lambda case: f"{case.family} from {case.source} to {case.target}")
def case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case


@pytest.fixture
def held(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a worker holds of the family's model."""
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "cache"))
    source = tokens(case.source, 360)
    tiny(case.family, vocab_size=len(source) + 3).save_pretrained(tmp_path / "model")
    source.save_pretrained(tmp_path / "model")
    tokens(case.target, 330).save_pretrained(tmp_path / "target")
    given = settings("adaptation", tmp_path)
    options = given.options.model_copy(
        update={
            "model": ModelConfig(name=case.family, source=str(tmp_path / "model")),
            "task": TASK,
            "target": TargetConfig(tokenizer=str(tmp_path / "target"), dimensions=16, least=2),
            "capability": None,
        }
    )
    return serving(replace(given, options=options, probes=(PARAMS.model_dump(),))).held


def train(held: Any, trial: Any, until: int) -> set[int]:
    """Trains to a step; which weights have changed."""
    before = {id(weight): weight.detach().clone() for weight in trial.weights}
    held.start(trial, until)
    while held.active:
        assert not held.step(False).failed
    return {id(weight) for weight in trial.weights if not torch.equal(weight, before[id(weight)])}


def test_each_stage_trains_what_it_is_to_and_the_folder_gives_the_same_logits(
    case: Case, held: Any, tmp_path: Path
) -> None:
    weights = dict(held.base.model.state_dict())
    base = digest(weights)
    trial = held.add("0", PARAMS)
    adapted: Adapted = trial.trained
    tables = {id(table) for table in adapted.tables()}
    assert len(tables) == case.tables, "a head of its own is trained with the embeddings"
    assert train(held, trial, STEPS // 2) == tables
    assert train(held, trial, STEPS) == {id(weight) for weight in trial.weights}
    held.save(trial, tmp_path)
    model, made = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert len(made) == len(tokens(case.target, 330)) == model.get_output_embeddings().weight.shape[0]
    ids = made("Middle watch. Gale; storm panes shipped.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(ids).logits, adapted.logits(ids))
    held.remove(trial)
    assert digest(weights) == base
    assert all(not isinstance(each, Adapted) for each in held.base.model.modules())


@pytest.mark.parametrize("case", CASES[:1], indirect=True, ids=str)
def test_a_trial_leaves_the_base_measuring_what_it_did(held: Any) -> None:
    before = held.measure_baseline("base").metrics
    aligned = held.measure_baseline("aligned").metrics
    trial = held.add("0", PARAMS.model_copy(update={"stage2": "lora", "rank": 2}))
    train(held, trial, STEPS)
    held.remove(trial)
    assert held.measure_baseline("base").metrics == before
    assert held.measure_baseline("aligned").metrics == aligned
