"""A base model whose weights are kept in 4 bits."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.packing.bases import SHAPES, miniature, random_base, random_examples
from benchmarks.packing.meter import release
from benchmarks.packing.standing import Repeats, StandingPack
from benchmarks.packing.work import Work, make_trials
from trainables.models.linear import linear_layers

_SLOTS, _LENGTH, _RANK = 8, 256, 16


def run(stage: Stage) -> Iterator[Row]:
    """See `Part`."""
    if find_spec("bitsandbytes") is None:
        yield {"skipped": "bitsandbytes is not installed"}
        return
    shape = miniature(SHAPES["1.5b"]) if stage.rehearse else SHAPES["1.5b"]
    model = random_base(shape, stage.device)
    before, dense = _bytes(model), None
    if not stage.rehearse:
        dense = _step_seconds(model, shape.vocab_size)
        release(stage.device)
    layers = list(linear_layers(model))
    for name in layers:
        quantise(model, name, stage.device)
    row: Row = {"model": "1.5b", "layers": len(layers), "parameter_bytes": _bytes(model), "in_bf16": before}
    if not linear_layers(model):
        yield row | {
            "packs": False,
            "reason": "adapters are put on no 4-bit layer: packs on NF4 are not there yet",
        }
        return
    seconds = _step_seconds(model, shape.vocab_size)
    yield row | {"packs": True, "K": _SLOTS, "seconds": seconds, "seconds_in_bf16": dense}


def _step_seconds(model: nn.Module, vocabulary: int) -> float:
    """Of a pack."""
    examples = random_examples(str(_LENGTH), vocabulary)
    work = Work(model, examples, make_trials(_SLOTS, 1, (_RANK,)), warm=1, steps=1)
    standing = StandingPack(work)
    return standing.measure(standing.trials(work.trials, examples), repeats=Repeats(seconds=2.0)).seconds


def quantise(model: nn.Module, name: str, device: torch.device) -> None:
    """Puts a layer in NF4 with double quantisation (arXiv:2305.14314) in the place of a dense one."""
    bnb: Any = import_module("bitsandbytes")

    dense: Any = model.get_submodule(name)
    layer: Any = bnb.nn.Linear4bit(
        dense.in_features,
        dense.out_features,
        bias=dense.bias is not None,
        compute_dtype=dense.weight.dtype,
        compress_statistics=True,
        quant_type="nf4",
    )
    layer.weight = bnb.nn.Params4bit(
        dense.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4"
    )
    if dense.bias is not None:
        layer.bias = dense.bias
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, layer.to(device).requires_grad_(False))


def _bytes(model: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


PART = Part("nf4", "packs on a base model in NF4, where bitsandbytes is installed", 30.0, run)
