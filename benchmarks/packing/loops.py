"""The same training without packs, on PEFT as it comes: trials in turn, and rows of all trials mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from benchmarks.packing.meter import Meter, Timing
from benchmarks.packing.work import Work
from trainables.data.batches import DataOrder, collate, token_losses
from trainables.data.examples import Example
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import select_modules
from trainables.models.linear import linear_layers

Loop = Callable[[Work, "int | None"], Timing]

Step = Callable[[int], Tensor]
"""Takes the optimizer step of this number."""


def fitting(loop: Loop, work: Work, rows: int | None) -> Timing:
    """Runs a loop with at most `rows` rows in a pass, halved and begun anew while memory does not suffice.

    Raises:
        torch.OutOfMemoryError: A single row is too much.
    """
    while True:
        try:
            return loop(work, rows)
        except torch.OutOfMemoryError:
            rows = (rows or sum(params.batch_size for params in work.trials)) // 2
            if rows < 1:
                raise


def in_turn(work: Work, rows: int | None) -> Timing:
    """One trial after another with plain PEFT, as a careful user writes it.

    On CUDA under autocast in bfloat16 (PEFT keeps the adapters in fp32), with the fused AdamW and
    without waiting for the device between steps.
    """
    meter = Meter(work.device)
    losses = [_timed(plain_step(work, params, meter, rows), work, meter).tolist() for params in work.trials]
    return meter.timing(losses, rows=rows)


def plain_step(work: Work, params: LoraParameters, meter: Meter, rows: int | None) -> Step:
    """A trial on a model of its own; what the call returns takes one optimizer step, and gives its loss."""
    base = work.twin()
    meter.watch(base)
    torch.manual_seed(params.seed)
    with work.device:  # PEFT draws the weights where it makes them
        model: Any = get_peft_model(base, _config(linear_layers(base), params))
    model.train()
    weights = [value for value in model.parameters() if value.requires_grad]
    optimizer = _adamw([{"params": weights, "lr": params.lr}], params, work.device)
    order = DataOrder(params.seed, len(work.examples), params.batch_size)

    def step(number: int) -> Tensor:
        batch = [work.examples[index] for index in order.batch(number)]
        total, loss = sum(example.targets for example in batch), torch.zeros((), device=work.device)
        for piece in _pieces(batch, rows):
            share = sum(example.targets for example in piece) / total
            with _autocast(work.device):
                part = model(**_tensors(piece, work.device), use_cache=False).loss * share
            part.backward()
            loss += part.detach()
        torch.nn.utils.clip_grad_norm_(weights, params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return step


def mixed(work: Work, rows: int | None) -> Timing:
    """All trials in one batch with PEFT's `adapter_names`; see `mixed_step`."""
    meter = Meter(work.device)
    return meter.timing(_timed(mixed_step(work, meter, rows), work, meter).T.tolist(), rows=rows)


def mixed_step(work: Work, meter: Meter, rows: int | None) -> Step:
    """All trials in one batch with PEFT's `adapter_names`, which goes through the adapters in a loop.

    PEFT refuses it in training mode; in evaluation mode gradients flow, and without dropout it is the
    same. One AdamW holds the adapters, each in a group of its own; each is clipped by its own norm.

    Returns:
        Takes one optimizer step of all trials, and gives the loss of each.
    """
    base = work.twin()
    meter.watch(base)
    names = [f"trial{index}" for index in range(len(work.trials))]
    model = _with_adapters(base, names, work.trials)
    weights = [_of_adapter(model, name) for name in names]
    groups = [{"params": own, "lr": each.lr} for own, each in zip(weights, work.trials, strict=True)]
    optimizer = _adamw(groups, work.trials[0], work.device)
    orders = [DataOrder(each.seed, len(work.examples), each.batch_size) for each in work.trials]

    def step(number: int) -> Tensor:
        batches = [[work.examples[index] for index in order.batch(number)] for order in orders]
        totals = [sum(example.targets for example in batch) for batch in batches]
        flat = [(owner, example) for owner, batch in enumerate(batches) for example in batch]
        losses = torch.zeros(len(names), device=work.device)
        for piece in _pieces(flat, rows):
            owners = torch.tensor([owner for owner, _ in piece], device=work.device)
            tensors = _tensors([example for _, example in piece], work.device)
            labels = tensors.pop("labels")
            with _autocast(work.device):
                each_row = [names[owner] for owner, _ in piece]
                logits = model(**tensors, adapter_names=each_row, use_cache=False).logits
            own = torch.tensor([totals[owner] for owner, _ in piece], device=work.device)
            parts = token_losses(logits, labels).sum(-1) / own
            torch.autograd.backward(parts.sum())
            losses.index_add_(0, owners, parts.detach())
        for own_weights, each in zip(weights, work.trials, strict=True):
            torch.nn.utils.clip_grad_norm_(own_weights, each.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return losses

    return step


def _timed(step: Step, work: Work, meter: Meter) -> Tensor:
    """Losses of the steps on the clock, one below the other; those before them warm up."""
    for number in range(work.warm):
        step(number)
    with meter:
        losses = [step(number) for number in range(work.warm, work.warm + work.steps)]
    return torch.stack(losses)


def _with_adapters(base: nn.Module, names: Sequence[str], trials: Sequence[LoraParameters]) -> PeftModel:
    linear = linear_layers(base)
    model: PeftModel | None = None
    device = next(base.parameters()).device
    for name, params in zip(names, trials, strict=True):
        torch.manual_seed(params.seed)
        with device:
            if model is None:
                model = get_peft_model(base, _config(linear, params), adapter_name=name)
            else:
                model.add_adapter(name, _config(linear, params))
    assert model is not None
    model.eval()
    return model


def _of_adapter(model: PeftModel, name: str) -> list[nn.Parameter]:
    own = [value for key, value in model.named_parameters() if f".{name}." in key]
    for value in own:
        value.requires_grad_(True)  # PEFT freezes those that are not the active one
    return own


def _config(linear: Iterable[str], params: LoraParameters) -> LoraConfig:
    return LoraConfig(
        r=params.rank,
        lora_alpha=params.effective_alpha,
        target_modules=select_modules(linear, params),
        task_type="CAUSAL_LM",
    )


def _adamw(
    groups: list[dict[str, Any]], params: LoraParameters, device: torch.device
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, weight_decay=params.weight_decay, fused=device.type == "cuda" or None)


def _autocast(device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def _tensors(examples: Sequence[Example], device: torch.device) -> dict[str, Tensor]:
    tensors = collate(examples, pad_id=0)
    if tensors["attention_mask"].all():
        del tensors["attention_mask"]  # with it the model waits for the device, to see that nothing is masked
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _pieces(items: Sequence[Any], size: int | None) -> Iterator[Sequence[Any]]:
    size = size or len(items)
    for start in range(0, len(items), size):
        yield items[start : start + size]
