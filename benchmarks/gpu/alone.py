"""A trial alone, written the textbook way: one model, one PEFT adapter, torch's AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional

from trainables.data.batches import DataOrder, collate
from trainables.data.examples import Example
from trainables.lora.dropout import keep_scale, stream_key
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.linear import linear_layers
from trainables.serving.schedule import learning_rate


class StreamDropout(nn.Module):
    """Takes the place of PEFT's dropout, and draws from the trial's own stream."""

    def __init__(self, site: str, params: LoraParameters) -> None:
        super().__init__()
        self.site, self.params, self.step = site, params, 0

    def forward(self, x: Tensor) -> Tensor:
        """The input with features dropped as a packed trial drops them."""
        keys = [stream_key(self.params.seed, self.step, place) for place in range(len(x))]
        words = torch.tensor(keys, device=x.device) ^ stream_key(self.site)
        rates = torch.full((len(x),), self.params.dropout, device=x.device)
        return x * keep_scale(words, rates, x.shape[1], x.shape[2]).to(x.dtype)


def round_start(weights: Iterable[Tensor]) -> None:
    """Rounds weights to bfloat16 in place: in every precision training then begins at the same place."""
    for weight in weights:
        weight.data.copy_(weight.data.bfloat16())


def train_alone(
    model: nn.Module,
    params: LoraParameters,
    steps: int,
    total: int,
    examples: Sequence[Example],
    autocast: bool = False,
    rounded: bool = False,
) -> tuple[list[float], dict[str, Tensor]]:
    """Trains a trial from its beginning.

    Args:
        model: The base model, which gets an adapter.
        params: The trial's.
        steps: Optimizer steps.
        total: Steps of the full budget, for the schedule.
        examples: Training examples.
        autocast: Compute in bfloat16 by autocast, which is how PEFT is used on such a model.
        rounded: Begin with `round_start`.

    Returns:
        The loss of each step, and the adapter by PEFT's names without that of the adapter.
    """
    device = next(model.parameters()).device
    peft, dropouts = _with_adapter(model, params)
    weights = [value for value in peft.parameters() if value.requires_grad]
    if rounded:
        round_start(weights)
    adamw = make_optimizer(peft, params)
    order, losses = DataOrder(params.seed, len(examples), params.batch_size), []
    for step in range(steps):
        for dropout in dropouts:
            dropout.step = step
        batch = collate([examples[index] for index in order.batch(step)], pad_id=0)
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        labels = batch.pop("labels")
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            logits = peft(**batch, use_cache=False).logits
            loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        torch.autograd.backward(loss)
        if params.clip:
            torch.nn.utils.clip_grad_norm_(weights, params.clip)
        set_rate(adamw, learning_rate(params, step, total), params)
        adamw.step()
        adamw.zero_grad()
        losses.append(loss.item())
    return losses, {
        key.removeprefix("base_model.model.").replace(".default", ""): value.detach()
        for key, value in peft.named_parameters()
        if value.requires_grad
    }


def make_optimizer(peft: Any, params: LoraParameters) -> torch.optim.Optimizer:
    """AdamW over an adapter; with LoRA+ as PEFT makes it."""
    if params.loraplus_lr_ratio != 1:
        made: torch.optim.Optimizer = create_loraplus_optimizer(
            peft,
            torch.optim.AdamW,
            lr=params.lr,
            loraplus_lr_ratio=params.loraplus_lr_ratio,
            loraplus_weight_decay=params.weight_decay,
        )
        return made
    weights = [value for value in peft.parameters() if value.requires_grad]
    return torch.optim.AdamW(weights, lr=params.lr, weight_decay=params.weight_decay)


def set_rate(adamw: torch.optim.Optimizer, rate: float, params: LoraParameters) -> None:
    """Has the next step take this learning rate, every group in its proportion to `lr`."""
    for group in adamw.param_groups:
        group["lr"] = rate * (group.setdefault("peak", group["lr"]) / params.lr)


def _with_adapter(model: Any, params: LoraParameters) -> tuple[Any, list[StreamDropout]]:
    torch.manual_seed(params.seed)
    config = LoraConfig(
        r=params.rank,
        lora_alpha=params.effective_alpha,
        target_modules=select_modules(linear_layers(model), params),
        use_rslora=params.rslora,
        init_lora_weights=params.peft_start,
        use_dora=params.use_dora,
        task_type="CAUSAL_LM",
    )
    peft = get_peft_model(model, config)
    dropouts = []
    for name, layer in model.named_modules():
        if params.dropout and isinstance(layer, LoraLayer):
            layer.lora_dropout["default"] = StreamDropout(name, params)
            dropouts.append(layer.lora_dropout["default"])
    return peft, dropouts
