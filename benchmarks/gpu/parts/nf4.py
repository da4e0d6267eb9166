"""A base model whose weights are kept in 4 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

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
    from trainables.models.nf4 import quantise_layers

    quantise_layers(model)
    row: Row = {
        "model": "1.5b",
        "layers": len(linear_layers(model)),
        "parameter_bytes": _bytes(model),
        "in_bf16": before,
        "K": _SLOTS,
    }
    inside = _step_seconds(model, shape.vocab_size)
    with _by_their_own_calls(model):
        called = _step_seconds(model, shape.vocab_size)
    yield (
        row
        | {"seconds": inside, "seconds_by_calls": called, "gain": called / inside}
        | ({} if dense is None else {"seconds_in_bf16": dense, "ratio_to_bf16": inside / dense})
    )


def _step_seconds(model: nn.Module, vocabulary: int) -> float:
    """Of a pack."""
    examples = random_examples(str(_LENGTH), vocabulary)
    work = Work(model, examples, make_trials(_SLOTS, 1, (_RANK,)), warm=1, steps=1)
    standing = StandingPack(work)
    return standing.measure(standing.trials(work.trials, examples), repeats=Repeats(seconds=2.0)).seconds


@contextmanager
def _by_their_own_calls(model: nn.Module) -> Iterator[None]:
    """Has packs call the layers, instead of dequantising weights themselves: what calls have hooks for."""
    layers = [model.get_submodule(name) for name in linear_layers(model)]
    hooks = [layer.register_forward_pre_hook(lambda *_: None) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _bytes(model: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


PART = Part("nf4", "packs on a base model in NF4, where bitsandbytes is installed", 30.0, run)
