"""The same training written the textbook way: one model, one PEFT adapter, torch's AdamW."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional

from tests.trainables.small import tiny_llama
from trainables.data.batches import collate
from trainables.data.examples import Example
from trainables.data.order import DataOrder
from trainables.lora.dropout import keep_scale, stream_key
from trainables.lora.linear import linear_layers
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.serving.schedule import learning_rate


class StreamDropout(nn.Module):
    """Takes the place of PEFT's dropout, and draws from the trial's own stream."""

    def __init__(self, site: str, params: LoraParameters) -> None:
        super().__init__()
        self.site, self.params, self.step = site, params, 0

    def forward(self, x: Tensor) -> Tensor:
        keys = [stream_key(self.params.seed, self.step, place) for place in range(len(x))]
        rates = torch.full((len(x),), self.params.dropout)
        scale = keep_scale(torch.tensor(keys) ^ stream_key(self.site), rates, x.shape[1], x.shape[2])
        return x * scale.to(x.dtype)


def plain_peft(
    params: LoraParameters, steps: int, total: int, examples: Sequence[Example], dtype: torch.dtype
) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of `steps` steps, and the adapter after them by PEFT's names without that of the adapter."""
    model = tiny_llama().to(dtype)
    torch.manual_seed(params.seed)
    peft = get_peft_model(
        model,
        LoraConfig(
            r=params.rank,
            lora_alpha=params.effective_alpha,  # type: ignore[arg-type]
            target_modules=select_modules(linear_layers(model), params),
            use_rslora=params.rslora,
            task_type="CAUSAL_LM",
        ),
    )
    dropouts = []
    for name, layer in model.named_modules():
        if params.dropout and isinstance(layer, LoraLayer):
            layer.lora_dropout["default"] = StreamDropout(name, params)
            dropouts.append(layer.lora_dropout["default"])
    weights = [value for value in peft.parameters() if value.requires_grad]
    adamw = torch.optim.AdamW(weights, lr=params.lr, weight_decay=params.weight_decay)
    order, losses = DataOrder(params.seed, len(examples), params.batch_size), []
    for step in range(steps):
        for dropout in dropouts:
            dropout.step = step
        batch = collate([examples[index] for index in order.batch(step)], pad_id=0)
        labels = batch.pop("labels")
        logits = peft(**batch).logits
        loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()
        if params.clip:
            torch.nn.utils.clip_grad_norm_(weights, params.clip)
        for group in adamw.param_groups:
            group["lr"] = learning_rate(params, step, total)
        adamw.step()
        adamw.zero_grad()
        losses.append(loss.item())
    return losses, {
        key.removeprefix("base_model.model.").replace(".default", ""): value.detach()
        for key, value in peft.named_parameters()
        if value.requires_grad
    }
