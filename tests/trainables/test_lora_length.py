"""Trials whose steps follow from their epochs: the examples that they use, alone, packed and resumed."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.packs import EXAMPLES, Bench
from trainables.data.examples import Example
from trainables.errors import WrongParameterError
from trainables.lora.length import first_of_each, own_steps, targets_of
from trainables.lora.pack import Pack
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import LoraTrial

pytestmark = pytest.mark.integration

SHORT = LoraParameters(lr=5e-3, rank=4, batch_size=4, seed=3, epochs=3, examples=10, warmup=0.25, dropout=0.1)
LONG = LoraParameters(lr=2e-3, rank=7, batch_size=5, seed=4, epochs=2.5, schedule="cosine", warmup=4)


@pytest.fixture(scope="module")
def bench(group_of_one: None) -> Bench:
    return Bench(torch.float32)


def run(pack: Pack, *trials: LoraTrial) -> list[list[float]]:
    """Trains trials together, each to its own end."""
    for trial in trials:
        pack.start(trial, trial.total)
    while pack.active:
        pack.step()
    return [list(trial.slice.losses) for trial in trials]


def test_a_trial_in_epochs_is_the_trial_of_those_examples_with_as_many_steps(bench: Bench) -> None:
    pack = bench.pack()
    trial = pack.add("one", SHORT)
    assert trial.total == math.ceil(10 * 3 / 4)
    (losses,) = run(pack, trial)
    fixed = SHORT.model_copy(update={"epochs": None, "examples": None})
    for name in list(bench.adapters.names):
        bench.adapters.remove(name)
    same = Pack(bench.base, bench.adapters, EXAMPLES[:10], trial.total)
    assert run(same, same.add("one", fixed)) == [losses]


def test_trials_of_unequal_length_train_together_as_alone_and_go_on_where_they_were_saved(
    bench: Bench, tmp_path: Path
) -> None:
    alone = []
    for params in (SHORT, LONG):
        pack = bench.pack()
        alone += run(pack, pack.add("one", params))
    assert [len(losses) for losses in alone] == [8, 12]
    pack = bench.pack()
    first, other = pack.add("a", SHORT), pack.add("b", LONG)
    for trial in (first, other):
        pack.start(trial, round(trial.total / 3))  # their first rungs are not at one step
    while pack.active:
        pack.step()
    before = [list(trial.slice.losses) for trial in (first, other)]
    pack.save(first, tmp_path)
    pack.remove(first)
    again = pack.add("c", SHORT)
    pack.load(again, tmp_path, step=first.step)
    after = run(pack, again, other)
    for whole, begun, ended in zip(alone, before, after, strict=True):
        assert [*begun, *ended] == pytest.approx(whole, rel=1e-5)


def example(number: int, target: str) -> Example:
    return Example(np.array([number, number + 1], dtype=np.int32), np.array([False, True]), target)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
    st.integers(1, 12),
    st.floats(0.1, 30),
    st.integers(1, 9),
)
def test_choices_are_nested_per_target_and_steps_visit_them_as_often_as_asked(
    targets: list[str], most: int, epochs: float, batch_size: int
) -> None:
    examples = [example(number, target) for number, target in enumerate(targets)]
    counts = targets_of(examples)
    params = LoraParameters(examples=most, epochs=epochs, batch_size=batch_size)
    if most > min(counts.values()):
        for refused in (lambda: first_of_each(examples, most), lambda: own_steps(params, counts)):
            with pytest.raises(WrongParameterError, match=f"there are {min(counts.values())} to train on"):
                refused()
        return
    chosen = first_of_each(examples, most)
    assert Counter(each.target for each in chosen) == dict.fromkeys(counts, most)
    assert list(chosen) == [each for each in examples if each in list(chosen)]
    if most > 1:
        fewer = first_of_each(examples, most - 1)
        assert {id(each) for each in fewer} < {id(each) for each in chosen}
    steps = own_steps(params, counts)
    assert (steps - 1) * batch_size < epochs * len(chosen) <= steps * batch_size


def test_a_warm_up_in_steps_must_end_before_the_training() -> None:
    """10 examples in batches of 4 for 3 epochs are 8 steps, of which a warm-up of 10 would be all."""
    with pytest.raises(
        WrongParameterError, match="a warm-up of 10 steps is no shorter than the training of 8"
    ):
        own_steps(SHORT.model_copy(update={"warmup": 10}), {"": 50})
    assert own_steps(SHORT.model_copy(update={"warmup": 7}), {"": 50}) == 8
