"""Packs on randomly initialised models of real shapes, and small ones to rehearse with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from benchmarks.gpu.part import Stage
from benchmarks.packing.bases import SHAPES, random_base, random_examples
from benchmarks.packing.packs import ONE_PASS
from benchmarks.packing.work import Work, make_trials
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.models.linear import linear_layers
from trainables.serving.base import HeldBase

SMALL = {
    "vocab_size": 211,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
"""Sizes to rehearse with."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model, as `trainables.lora.memory` asks for them."""

    linear: dict[str, tuple[int, int]]
    hidden: int
    intermediate: int
    layers: int
    vocabulary: int


def sizes(model: Any) -> Sizes:
    """Those of a model."""
    config = model.config.get_text_config()
    return Sizes(
        {name: (layer.outer, layer.inner) for name, layer in linear_layers(model).items()},
        config.hidden_size,
        config.intermediate_size,
        config.num_hidden_layers,
        config.vocab_size,
    )


def model(stage: Stage, name: str) -> nn.Module:
    """The model of a shape of `benchmarks.packing.bases`; its class with small sizes in a rehearsal."""
    config = SHAPES[name]
    return random_base(type(config)(**SMALL) if stage.rehearse else config, stage.device)


def work(base: Any, slots: int, batch_size: int, length: int, rank: int) -> Work:
    """As many equal trials on random examples of one length."""
    examples = random_examples(str(length), base.config.vocab_size)
    return Work(base, examples, make_trials(slots, batch_size, [rank]), warm=1, steps=1)


def started(given: Work, checkpointing: bool = False, limits: PassLimits = ONE_PASS) -> tuple[Pack, Adapters]:
    """A pack that trains all trials for as long as it is asked to."""
    base = HeldBase(given.twin(), checkpointing=checkpointing)
    adapters = Adapters(base.model, "base")
    pack = Pack(base, adapters, given.examples, 10**6, replace(limits))
    for index, params in enumerate(given.trials):
        pack.start(pack.add(f"trial{index}", params), 10**6)
    return pack, adapters
