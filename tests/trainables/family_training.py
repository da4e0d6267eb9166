"""Trials on a tiny model: together in a pack, and each alone as plain PEFT trains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.alone import make_optimizer, set_rate
from tests.trainables.small import random_examples
from trainables.data.batches import DataOrder
from trainables.lora.adapters import Adapters, Shell
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import routed_layer, select_modules
from trainables.lora.trial import LoraTrial
from trainables.models.linear import LinearLayer, linear_layers
from trainables.serving.base import HeldBase
from trainables.serving.schedule import learning_rate

STEPS, TOTAL = 3, 8
EXAMPLES = random_examples(12)
PACKS = {
    "unequal": [
        LoraParameters(lr=5e-3, rank=3, batch_size=2, seed=1, clip=0, loraplus_lr_ratio=4),
        LoraParameters(lr=5e-3, rank=5, batch_size=3, seed=2, clip=0.5, target_modules="attention"),
        LoraParameters(lr=1e-2, rank=2, batch_size=1, seed=3, rslora=True, layers=1),
    ],
    # As many rows from each: the adapters' products are added to the base's output in place.
    "equal": [
        LoraParameters(lr=1e-2, rank=4, batch_size=2, seed=4),
        LoraParameters(lr=1e-2, rank=2, batch_size=2, seed=5, alpha=3),
    ],
    # Their starts are subtracted from the weights, which the last trial has as they are.
    "started": [
        LoraParameters(lr=1e-3, rank=3, batch_size=2, seed=6, init_lora_weights="pissa", weight_decay=0.1),
        LoraParameters(
            lr=1e-3, rank=2, batch_size=1, seed=7, init_lora_weights="pissa", rslora=True, loraplus_lr_ratio=4
        ),
        LoraParameters(lr=1e-2, rank=4, batch_size=2, seed=8, init_lora_weights="orthogonal", use_dora=True),
    ],
}


@dataclass(frozen=True)
class Trained:
    """A family's trials after training, together."""

    adapters: Adapters
    trials: list[LoraTrial]
    grads: list[Tensor]

    def weights(self, trial: LoraTrial) -> dict[str, Tensor]:
        """What is trained, by PEFT's names without that of the adapter."""
        arena, row = self.adapters.arena, self.adapters.names.index(trial.name)
        names = ("lora_A", "lora_B", "lora_magnitude_vector")
        return {
            f"{site}.{name}.weight": part.t() if name == "lora_B" else part
            for site, parts in arena.trained(row, arena.weights[row]).items()
            for name, part in zip(names, parts, strict=False)
        }


def train(model: Any, kind: str = "unequal", stage: int = 0) -> Trained:
    """As many trials as can share a pass, after some steps in one; and their last gradients, clipped."""
    base = HeldBase(model, zero_stage=stage, persist=0)
    assert not base.find_head(always=True)
    adapters = Adapters(base.model, "tiny")
    pack = Pack(base, adapters, EXAMPLES, TOTAL, PassLimits(cost=10**6))
    wanted = PACKS[kind] if routed_layer(adapters.linear) is None else PACKS[kind][:1]
    trials = [pack.add(f"t{index}", params) for index, params in enumerate(wanted)]
    for trial in trials:
        pack.start(trial, STEPS)
    while pack.active:
        assert not pack.step().failed
    rows = {name: row for row, name in enumerate(adapters.names)}
    grads = [
        torch.cat(
            [
                part.flatten()
                for a, b, *magnitudes in adapters.arena.trained(
                    rows[trial.name], adapters.arena.grads[rows[trial.name]]
                ).values()
                for part in (a, b.t(), *magnitudes)
            ]
        ).clone()
        for trial in trials
    ]
    return Trained(adapters, trials, grads)


def alone(
    model: Any, params: LoraParameters, layers: Mapping[str, LinearLayer] | None = None
) -> tuple[list[float], dict[str, Tensor], Tensor]:
    """Losses, weights and last (clipped) gradients of a trial that PEFT's own layers train by example.

    Args:
        model: The base.
        params: The trial's.
        layers: Its linear layers, where the base has others in their place.
    """
    layers = linear_layers(model) if layers is None else layers
    torch.manual_seed(params.seed)
    config = LoraConfig(
        r=params.rank,
        lora_alpha=params.effective_alpha,  # type: ignore[arg-type]
        target_modules=select_modules(layers, params),
        use_rslora=params.rslora,
        fan_in_fan_out=any(layer.transposed for layer in linear_layers(model).values()),
        init_lora_weights=True if params.subtracts_start else params.peft_start,
        use_dora=params.use_dora,
    )
    peft = PeftModel(Shell(model), config)
    if params.subtracts_start:
        subtract_starts(model, params)
    named = {name: value for name, value in peft.named_parameters() if value.requires_grad}
    adamw = make_optimizer(peft, params)
    order, losses, grads = DataOrder(params.seed, len(EXAMPLES), params.batch_size), [], torch.empty(0)
    for step in range(STEPS):
        adamw.zero_grad()
        batch = [EXAMPLES[index] for index in order.batch(step)]
        targets = sum(example.targets for example in batch)
        loss = torch.zeros((), dtype=torch.float64)
        for example in batch:  # none is padded
            ids = torch.from_numpy(example.input_ids).long()[None]
            wanted = ids.masked_fill(~torch.from_numpy(example.loss_mask), -100)
            logits = model(input_ids=ids, use_cache=False).logits.double()
            own = functional.cross_entropy(logits[0, :-1], wanted[0, 1:], reduction="sum") / targets
            own.backward()
            loss += own.detach()
        losses.append(loss.item())
        if params.clip:
            torch.nn.utils.clip_grad_norm_(named.values(), params.clip)
        grads = torch.cat(
            [value.grad.flatten() for value in named.values() if value.grad is not None]
        ).clone()
        set_rate(adamw, learning_rate(params, step, TOTAL), params)
        adamw.step()
    plain = {name.removeprefix("base_model.model.").replace(".default", ""): v for name, v in named.items()}
    return losses, {name: value.detach() for name, value in plain.items()}, grads


def subtract_starts(model: Any, params: LoraParameters) -> None:
    """Has PEFT's layers begin as it makes them in float32, and subtracts that in their own type."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            base: Any = layer.base_layer
            weight, given = base.weight.data, params.init_lora_weights
            base.weight.data = weight.float()
            layer.pissa_init("default", given)
            a, b = (part["default"].weight for part in (layer.lora_A, layer.lora_B))
            a.data, b.data = a.data.to(weight.dtype), b.data.to(weight.dtype)
            update = params.scale * b.data @ a.data
            base.weight.data = weight - (update.t() if layer.fan_in_fan_out else update)


def distance(one: Tensor, other: Tensor) -> float:
    """Relative to the other."""
    return float((one - other).norm() / other.norm())


def flat(tensors: dict[str, Tensor]) -> Tensor:
    """All numbers in a row."""
    return torch.cat([value.flatten() for value in tensors.values()])
