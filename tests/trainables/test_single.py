"""Trainables that take one trial at a time: the base stays as it is, and what is saved is what users load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import nn

from tests.trainables.conforming import STEPS, first_request, serving, settings, train
from tests.trainables.small import random_examples, tiny_llama
from trainables.data.batches import IGNORED, collate, token_losses
from trainables.data.task import load_task
from trainables.messages import Moment
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.parameters import TrainingParameters
from trainables.serving.base import HeldBase
from trainables.serving.single import Data, Items, Loss, Single
from trainables.serving.untouched import Untouched


def _scale(model: Any) -> None:
    model.lm_head.weight.data.mul_(1.5)


def _hook(model: Any) -> None:
    model.model.layers[0].register_forward_hook(lambda *given: None)


def _wrap(model: Any) -> None:
    model.model.layers[1] = nn.Sequential(model.model.layers[1])


def _unfreeze(model: Any) -> None:
    model.requires_grad_(not next(model.parameters()).requires_grad)


def _train_mode(model: Any) -> None:
    model.train(not model.training)


def _shadow(model: Any) -> None:
    model.model.norm.forward = lambda x: x


@pytest.mark.parametrize("leave", [_scale, _hook, _wrap, _unfreeze, _train_mode, _shadow])
def test_what_a_trial_leaves_in_the_base_is_noticed(leave: Callable[[Any], None]) -> None:
    model = tiny_llama()
    untouched = Untouched(model)
    with torch.no_grad():
        model(torch.arange(8)[None])
    untouched.check()
    leave(model)
    with pytest.raises(RuntimeError, match="a trial changed the base model"):
        untouched.check()


class _Scale(nn.Module):
    """Scales the embeddings, with dropout; one of its parameters is no part of the training."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(32, dtype=torch.bfloat16))
        self.kept = nn.Parameter(torch.ones(1), requires_grad=False)
        self.dropout = nn.Dropout(0.5)


class _Scales(Single[TrainingParameters]):
    def build(self, params: TrainingParameters) -> nn.Module:
        return _Scale()

    def batch(self, indices: Sequence[int]) -> Any:
        return collate([EXAMPLES[index] for index in indices], pad_id=0)

    def loss(self, trained: Any, batch: Any) -> Loss:
        model: Any = self.base.model
        embedded = model.get_input_embeddings()(batch["input_ids"]) * trained.dropout(trained.scale).float()
        logits = model(inputs_embeds=embedded, use_cache=False).logits
        targets = int((batch["labels"][:, 1:] != IGNORED).sum())
        return Loss(token_losses(logits, batch["labels"]).sum(), targets)

    def evaluate(self, trained: Any, shard: tuple[int, int], moment: Moment) -> dict[str, Items]:
        loss = self.loss(trained, self.batch([0]))
        return {"heldout_loss": [(0, float(loss.total), loss.targets)]}


EXAMPLES = random_examples(40)


def test_dropout_frozen_parameters_and_weights_in_bf16_are_taken_care_of(tmp_path: Path) -> None:
    given = settings("lora", tmp_path)
    held = _Scales(given, HeldBase(tiny_llama()), Data(len(EXAMPLES), "", "", {}))
    trial = held.add("new", TrainingParameters(batch_size=39, lr=0.1, weight_decay=0.5))
    held.start(trial, 2)
    while held.active:
        assert not held.step(interrupt=False).failed
    targets = [int(example.loss_mask[1:].sum()) for example in EXAMPLES]
    drawn = [trial.order.batch(step) for step in range(2)]
    assert trial.slice.targets == [sum(targets[index] for index in indices) for indices in drawn]
    assert trial.trained.kept == 1
    assert (trial.trained.scale != 1).all()
    first, second = (held.measure([trial], "last")[0].metrics for _ in range(2))
    assert first == second
    assert trial.trained.training


@pytest.mark.integration
@pytest.mark.usefixtures("plugins")
def test_a_soft_prompt_is_what_peft_loads(tmp_path: Path) -> None:
    given = settings("soft_prompt", tmp_path)
    reply = train(serving(given), first_request("soft_prompt", STEPS))
    options = given.options
    model, tokenizer = load_base(resolve(options.model), options.model, "cpu")
    loaded = PeftModel.from_pretrained(model, str(tmp_path / str(reply.checkpoint)))
    losses = targets = 0.0
    for example in load_task(options.task, tokenizer, given.seed).heldout.examples:
        batch = collate([example], pad_id=0)
        with torch.no_grad():
            logits = loaded(input_ids=batch["input_ids"]).logits[:, -batch["input_ids"].shape[1] :]
        losses += float(token_losses(logits, batch["labels"]).sum())
        targets += example.targets
    assert losses / targets == pytest.approx(reply.metrics["heldout_loss"], rel=1e-5)
