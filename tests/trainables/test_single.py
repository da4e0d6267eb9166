"""Trainables that take one trial at a time: the base stays as it is, and what is saved is what users load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import nn

from tests.trainables.conforming import STEPS, first_request, serving, settings, train
from tests.trainables.small import tiny_llama
from trainables.data.batches import collate, token_losses
from trainables.data.task import load_task
from trainables.models.load import load_base
from trainables.models.resolve import resolve
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
    with pytest.raises(RuntimeError, match="left the base model changed"):
        untouched.check()


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
