"""A trial of two adapters trained with plain PEFT, example by example, with the gradients routed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel
from torch import Tensor, nn
from torch.nn import functional

from trainables.data.batches import DataOrder
from trainables.data.examples import Example
from trainables.lora.adapters import Shell
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.linear import linear_layers
from trainables.routing.parameters import RoutingParameters
from trainables.serving.schedule import learning_rate

NAMES = ("good", "bad")


def train_routed(
    model: nn.Module,
    params: RoutingParameters,
    labels: NDArray[np.bool_],
    examples: Sequence[Example],
    steps: int,
    total: int,
) -> tuple[list[float], dict[str, dict[str, Tensor]]]:
    """Losses of the steps, and the weights of each adapter by PEFT's names without that of the adapter."""
    each = dict(zip(NAMES, (params.good, params.bad), strict=True))
    with_both(model, each)
    weights = {
        name: {
            key.replace(f".{name}.", "."): value
            for key, value in model.named_parameters()
            if f".{name}." in key
        }
        for name in NAMES
    }
    optimizers = {
        name: torch.optim.AdamW(weights[name].values(), lr=own.lr, weight_decay=own.weight_decay)
        for name, own in each.items()
    }
    order, losses = DataOrder(params.seed, len(examples), params.batch_size), []
    for step in range(steps):
        for value in (value for own in weights.values() for value in own.values()):
            value.grad = torch.zeros_like(value)
        indices = order.batch(step)
        targets = sum(examples[index].targets for index in indices)
        losses.append(0.0)
        for index in indices:
            loss = example_loss(model, examples[index]) / targets
            losses[-1] += float(loss.detach())
            bad = labels[index] or params.unlabelled == "both"
            learns = [*([] if labels[index] else ["good"]), *(["bad"] if bad else [])]
            learning = [value for name in learns for value in weights[name].values()]
            for value, grad in zip(learning, torch.autograd.grad(loss, learning), strict=True):
                value.grad += grad
        for name, own in each.items():
            if own.clip:
                torch.nn.utils.clip_grad_norm_(weights[name].values(), own.clip)
            optimizers[name].param_groups[0]["lr"] = learning_rate(own, step, total)
            optimizers[name].step()
    return losses, {
        name: {key: value.detach() for key, value in own.items()} for name, own in weights.items()
    }


def with_both(model: nn.Module, each: dict[str, LoraParameters]) -> PeftModel:
    """The model with both adapters in every pass, each from its own seed."""
    layers = linear_layers(model)
    peft: Any = None
    for name, own in each.items():
        config = LoraConfig(
            r=own.rank,
            lora_alpha=own.effective_alpha,  # type: ignore[arg-type]
            target_modules=select_modules(layers, own),
            fan_in_fan_out=any(layer.transposed for layer in layers.values()),
        )
        torch.manual_seed(own.seed)
        if peft is None:
            peft = PeftModel(Shell(model), config, adapter_name=name)
        else:
            peft.add_adapter(name, config)
    peft.base_model.set_adapter(list(each))
    return peft  # type: ignore[no-any-return]


def example_loss(model: nn.Module, example: Example) -> Tensor:
    """Sum over the targets of one example, of a model without padding."""
    ids = torch.from_numpy(example.input_ids).long()[None]
    wanted = ids.masked_fill(~torch.from_numpy(example.loss_mask), -100)
    logits = model(input_ids=ids, use_cache=False).logits
    return functional.cross_entropy(logits[0, :-1], wanted[0, 1:], reduction="sum")
