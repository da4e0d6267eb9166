"""Packed trials of two adapters give the numbers that plain PEFT gives each of them, example by example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.trainables.families import tiny
from tests.trainables.packs import EXAMPLES, TOTAL
from tests.trainables.plain_routing import NAMES, train_routed
from tests.trainables.small import tiny_llama
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.routing.parameters import RoutingParameters
from trainables.routing.trial import RoutingTrial
from trainables.serving.base import HeldBase

pytestmark = pytest.mark.integration

STEPS = 4


def labels_of(params: RoutingParameters) -> NDArray[np.bool_]:
    """Labels of the examples, of which every other one shows the behaviour."""
    drawn = np.random.default_rng(0).random(len(EXAMPLES))
    behaving = np.arange(len(EXAMPLES)) % 2 == 0
    return np.where(behaving, drawn < params.labelled, drawn < params.false_labels)


def make(name: str, params: RoutingParameters, examples: Sequence[object], total: int) -> RoutingTrial:
    return RoutingTrial(name, params, labels_of(params), EXAMPLES, total)


def train(
    model: nn.Module,
    wanted: Sequence[RoutingParameters],
    within: PassLimits,
    room: int | None = None,
    recompute: bool = False,
) -> tuple[Pack, list[RoutingTrial]]:
    base = HeldBase(model, checkpointing=recompute)
    assert not base.find_head(always=True)
    pack = Pack(base, Adapters(base.model, "tiny"), EXAMPLES, TOTAL, within, row_room=room, make=make)
    trials = [pack.add(f"t{index}", params) for index, params in enumerate(wanted)]
    for trial in trials:
        pack.start(trial, STEPS)
    while pack.active:
        assert not pack.step().failed
    return pack, trials  # type: ignore[return-value]


def weights(model: nn.Module, name: str) -> dict[str, Tensor]:
    named = model.named_parameters()
    return {key.replace(f".{name}.", "."): value.detach() for key, value in named if f".{name}." in key}


def assert_plain(model: nn.Module, fresh: nn.Module, trial: RoutingTrial, tolerance: float = 1e-9) -> None:
    params = trial.params
    assert isinstance(params, RoutingParameters)
    losses, expected = train_routed(fresh, params, labels_of(params), EXAMPLES, STEPS, TOTAL)
    assert trial.slice.losses == pytest.approx(losses, rel=tolerance / 10)
    for adapter, name in zip(trial.adapters, NAMES, strict=True):
        ours, theirs = weights(model, adapter.name), expected[name]
        assert ours.keys() == theirs.keys()
        difference = torch.cat([(ours[key] - theirs[key]).flatten() for key in theirs])
        size = torch.cat([value.flatten() for value in theirs.values()])
        assert difference.norm() <= tolerance * size.norm()


parameters = st.builds(
    RoutingParameters,
    lr=st.floats(1e-4, 1e-2),
    lr_bad=st.one_of(st.none(), st.floats(1e-4, 1e-2)),
    rank=st.integers(1, 9),
    rank_bad=st.one_of(st.none(), st.integers(1, 9)),
    alpha_per_rank=st.sampled_from([None, 0.5]),
    alpha_bad=st.sampled_from([None, 3.0]),
    target_modules=st.sampled_from(["attention", "mlp", "all"]),
    layers=st.sampled_from([None, 1, 2]),
    labelled=st.sampled_from([0.0, 0.5, 1.0]),
    false_labels=st.sampled_from([0.0, 0.0, 0.3]),
    unlabelled=st.sampled_from(["good", "both"]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    schedule=st.sampled_from(["wsd", "cosine"]),
    batch_size=st.integers(1, 7),
    clip=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**40),
)
limits = st.builds(
    PassLimits,
    tokens=st.sampled_from([None, 60, 200]),
    examples=st.sampled_from([None, 2]),
    cost=st.sampled_from([0, 10, 1000]),
)


@settings(max_examples=5, deadline=None)
@given(st.lists(parameters, min_size=1, max_size=3), limits, st.sampled_from([None, 30]), st.booleans())
def test_equal_to_plain_peft_with_both_adapters(
    wanted: list[RoutingParameters], within: PassLimits, room: int | None, recompute: bool
) -> None:
    model = tiny_llama().double()
    _, trials = train(model, wanted, within, room, recompute)
    for trial in trials:
        assert_plain(model, tiny_llama().double(), trial)


EQUAL = RoutingParameters(lr=5e-3, rank=3, rank_bad=5, batch_size=4, labelled=0.5, unlabelled="good", seed=1)
OTHERS = EQUAL.model_copy(update={"rank": 4, "unlabelled": "both", "false_labels": 0.3, "seed": 2})


@pytest.mark.parametrize("batch_size", [4, 3])
@pytest.mark.parametrize("family", ["llama-bias", "gpt2", "mixtral", "qwen2_moe"])
def test_equal_on_other_families(family: str, batch_size: int) -> None:
    """Layers with biases, transposed and fused ones, experts; in place and not."""
    model = tiny(family, torch.float64)
    _, trials = train(
        model, [EQUAL, OTHERS.model_copy(update={"batch_size": batch_size})], PassLimits(cost=10**6)
    )
    for trial in trials:
        assert_plain(model, tiny(family, torch.float64), trial)


def test_in_bf16_as_close_as_two_runs_alone_with_batches_divided_otherwise() -> None:
    wanted = [EQUAL.model_copy(update={"rank": rank, "lr": 3e-3, "seed": rank}) for rank in (2, 4, 5)]

    def losses(wanted: list[RoutingParameters], examples: int | None) -> Tensor:
        _, trials = train(tiny_llama().bfloat16(), wanted, PassLimits(examples=examples))
        return torch.tensor([trial.slice.losses for trial in trials])

    whole, divided = (torch.cat([losses([each], size) for each in wanted]) for size in (None, 2))
    own = (whole - divided).abs().mean()
    assert 0 < own < 1e-2
    assert (losses(wanted, None) - whole).abs().mean() <= 2 * own
