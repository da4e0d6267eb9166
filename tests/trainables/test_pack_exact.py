"""A packed trial gives the numbers that plain PEFT gives it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainables.packs import EXAMPLES, TOTAL, Bench
from tests.trainables.plain_peft import plain_peft
from trainables.errors import DivergedError
from trainables.lora.pack import PassLimits
from trainables.lora.parameters import LoraParameters, Start
from trainables.lora.trial import LoraTrial

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def benches(group_of_one: None) -> dict[torch.dtype, Bench]:
    return {dtype: Bench(dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16)}


@dataclass(frozen=True)
class Part:
    """A trial that joins the pack before step `joins` of the pack and leaves it after `steps` of its own."""

    params: LoraParameters
    joins: int
    steps: int
    pause: int
    """Steps of the pack that it sits out, half way."""


def variant(params: LoraParameters, start: Start, dora: bool, dropout: float) -> LoraParameters:
    """The same as another variant of LoRA: some need an even rank or no dropout."""
    rank = params.rank + (params.rank % 2 if start == "orthogonal" else 0)
    made = params.model_copy(update={"init_lora_weights": start, "rank": rank, "use_dora": dora})
    return made if made.subtracts_start or dora else made.model_copy(update={"dropout": dropout})


parameters = st.builds(
    LoraParameters,
    lr=st.floats(1e-4, 1e-2),
    rank=st.integers(1, 9),
    alpha_per_rank=st.sampled_from([0.5, 1.0, 2.0]),
    target_modules=st.sampled_from(["attention", "mlp", "all"]),
    layers=st.sampled_from([None, 1, 2]),
    rslora=st.booleans(),
    weight_decay=st.sampled_from([0.0, 0.1]),
    schedule=st.sampled_from(["wsd", "constant", "linear", "cosine"]),
    batch_size=st.integers(1, 7),
    clip=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**40),
)
EXACT: tuple[Start, ...] = ("default", "default", "gaussian", "orthogonal")
"""Starts that PEFT makes in float64 too."""


def parts(starts: Sequence[Start]) -> st.SearchStrategy[Part]:
    dropouts = st.sampled_from([0.0, 0.0, 0.3])
    params = st.builds(variant, parameters, st.sampled_from(starts), st.booleans(), dropouts)
    return st.builds(
        Part, params, joins=st.integers(0, 4), steps=st.integers(2, 6), pause=st.sampled_from([0, 0, 2])
    )


limits = st.builds(
    PassLimits,
    tokens=st.sampled_from([None, 16, 60, 200]),
    examples=st.sampled_from([None, 1, 2]),
    cost=st.sampled_from([0, 10, 1000]),
)


def slow(params: LoraParameters) -> LoraParameters:
    return params.model_copy(update={"lr": params.lr / 10})


def train(
    bench: Bench, wanted: list[Part], within: PassLimits, diverging: int | None
) -> list[tuple[Part, LoraTrial, list[float]]]:
    """Trains the parts in one pack, with one more that diverges from its step `diverging` on."""
    pack = bench.pack(within)
    trials: dict[int, LoraTrial] = {}
    losses: list[list[float]] = [[] for _ in wanted]
    resumes: dict[int, int] = {}
    bad: LoraTrial | None = None
    if diverging is not None:
        bad = pack.add("bad", LoraParameters(lr=1e-3, rank=4, clip=0, batch_size=2))
        pack.start(bad, TOTAL)
    for now in range(40):
        for index, part in enumerate(wanted):
            if part.joins == now:
                trials[index] = pack.add(f"t{index}", part.params)
                pack.start(trials[index], part.steps // 2)
            elif resumes.get(index) == now:
                pack.start(trials[index], part.steps)
        if bad is not None and now == diverging:
            for tensor in bench.parameters("bad").values():
                tensor.data *= 1e30
        stepped = pack.step()
        for trial, error in stepped.failed:
            assert trial is bad
            assert isinstance(error, DivergedError)
            pack.remove(trial)
            bad = None
        for trial in stepped.reached:
            if trial is not bad:
                index = next(key for key, value in trials.items() if value is trial)
                losses[index] += trial.slice.losses
                resumes[index] = now + 1 + wanted[index].pause
        if len(trials) == len(wanted) and not pack.active and all(at <= now for at in resumes.values()):
            break
    assert bad is None
    return [(part, trials[index], losses[index]) for index, part in enumerate(wanted)]


divergences = st.one_of(st.none(), st.integers(0, 4))


@settings(max_examples=8, deadline=None)
@given(st.lists(parts(EXACT), min_size=2, max_size=5), limits, divergences)
def test_equal_to_plain_peft_alone(
    benches: dict[torch.dtype, Bench], wanted: list[Part], within: PassLimits, diverging: int | None
) -> None:
    bench = benches[torch.float64]
    assert_equal(bench, train(bench, wanted, within, diverging), 1e-10, 1e-9)


# AdamW divides by the root of the second moment: where a gradient is nothing but rounding, its sign and with
# it the step is too. In float64 such entries do not show; in fp32 a few of a tensor's do, the more the larger
# the learning rate.
@settings(max_examples=4, deadline=None)
@given(st.lists(parts(get_args(Start)), min_size=3, max_size=5), limits, divergences)
def test_equal_to_plain_peft_alone_in_fp32_as_far_as_that_goes(
    benches: dict[torch.dtype, Bench], wanted: list[Part], within: PassLimits, diverging: int | None
) -> None:
    bench = benches[torch.float32]
    wanted = [replace(part, params=slow(part.params)) for part in wanted]
    assert_equal(bench, train(bench, wanted, within, diverging), 1e-5, 1e-3)


def assert_equal(
    bench: Bench,
    results: list[tuple[Part, LoraTrial, list[float]]],
    loss_tolerance: float,
    weight_tolerance: float,
) -> None:
    """Losses and weights are those of plain PEFT."""
    for part, trial, losses in results:
        expected, weights = plain_peft(part.params, part.steps, TOTAL, EXAMPLES, bench.dtype)
        assert losses == pytest.approx(expected, rel=loss_tolerance)
        ours = {
            key.replace(f".{trial.name}.", "."): trained(key, value.detach(), part.params.rank)
            for key, value in bench.parameters(trial.name).items()
        }
        assert ours.keys() == weights.keys()
        difference = torch.cat([(ours[key] - weights[key]).flatten() for key in weights])
        size = torch.cat([value.flatten() for value in weights.values()])
        assert difference.norm() <= weight_tolerance * size.norm()


def trained(key: str, value: torch.Tensor, rank: int) -> torch.Tensor:
    """A or B without a start that is subtracted; magnitudes as they are."""
    return value[:rank] if "lora_A" in key else value[:, :rank] if "lora_B" in key else value


def test_in_bf16_as_close_as_two_runs_alone_with_batches_divided_otherwise(
    benches: dict[torch.dtype, Bench],
) -> None:
    bench = benches[torch.bfloat16]
    wanted = [
        Part(LoraParameters(lr=3e-3, rank=rank, batch_size=6, seed=rank), 0, TOTAL, 0)
        for rank in (2, 4, 8, 5)
    ]

    def alone(part: Part, examples: int | None) -> list[float]:
        return train(bench, [part], PassLimits(examples=examples), None)[0][2]

    whole = torch.tensor([alone(part, None) for part in wanted])
    divided = torch.tensor([alone(part, 2) for part in wanted])
    packed = torch.tensor([losses for *_, losses in train(bench, wanted, PassLimits(), None)])
    own = (whole - divided).abs().mean()
    assert 0 < own < 1e-2
    assert (packed - whole).abs().mean() <= 2 * own
