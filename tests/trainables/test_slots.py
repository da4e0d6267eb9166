"""The choice among packs that were measured, and when there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.groups.settings import group_settings
from tests.records import make_config
from trainables.lora.pack import PassLimits
from trainables.lora.slots import Measured, choose_from
from trainables.serving.worker import measures


def packs(gains: list[float]) -> list[Measured]:
    """Packs of 1, 2, 4 ... trials of 100 tokens each with these gains."""
    sizes = [2**index for index in range(len(gains))]
    return [
        Measured(size, size / gain, 100.0 * size, 100.0 * size, float(size), 0.0)
        for size, gain in zip(sizes, gains, strict=True)
    ]


@pytest.mark.parametrize(
    ("gains", "slots"),
    [
        ([1.0, 1.05], 1),
        ([1.0, 1.2], 2),
        ([1.0, 1.9, 2.0], 2),
        ([1.0, 1.7, 2.0], 4),
        ([1.0, 1.6, 1.75, 1.8], 4),
        ([1.0, 0.7], 1),
    ],
)
def test_a_larger_pack_is_chosen_only_for_a_gain_that_pays(gains: list[float], slots: int) -> None:
    choice = choose_from(packs(gains), PassLimits(), 100)
    assert choice.slots == slots
    assert "tokens/s by slots: 1: " in choice.reason


@given(st.lists(st.floats(0.1, 10), max_size=4).map(lambda gains: [1.0, *gains]))
def test_the_smallest_with_nine_tenths_of_the_best_throughput_is_chosen(gains: list[float]) -> None:
    measured = packs(gains)
    chosen = choose_from(measured, PassLimits(), 100).slots
    enough = [each.slots for each in measured if each.gain >= 0.9 * max(one.gain for one in measured)]
    assert chosen == min(enough)


@pytest.mark.parametrize(
    ("slots", "trials", "shrinks", "found"),
    [
        ("auto", 30, 0, True),
        ("auto", 3, 0, False),
        ("auto", 8, 0, True),
        ("auto", 8, 1, False),
        (1, 30, 0, False),
        (8, 30, 0, False),
    ],
)
def test_a_group_measures_where_it_has_a_choice(
    slots: Any, trials: int, shrinks: int, found: bool, tmp_path: Path
) -> None:
    config = make_config(trials, workers={"slots": slots})
    assert measures(group_settings(config, tmp_path, cpus=1, groups=2), shrinks) == found
