"""How many slots are opened, and with what a group measures how many pay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config.schema import SearchConfig
from search.groups.settings import MOST, SlotLimit, group_settings, probes, slot_limit
from search.space import SearchSpace
from tests.records import make_config
from tests.search.config_files import alone
from trainables.lora.parameters import LoraParameters


@given(
    st.one_of(st.integers(1, 100), st.just("auto")), st.integers(1, 200), st.integers(1, 64), st.booleans()
)
def test_no_more_slots_than_the_search_can_use(asked: Any, trials: int, groups: int, learns: bool) -> None:
    limit = slot_limit(asked, trials, groups, learns, None)
    assert limit.most >= 1
    assert groups * (limit.most - 1) < trials, "one slot less in every group would not hold all trials"
    if asked == "auto":
        assert limit.slots is None
        assert not learns or limit.most == 1 or 2 * groups * limit.most <= trials
    else:
        assert limit.slots == limit.most <= asked


@pytest.mark.parametrize(
    ("asked", "trials", "groups", "learns", "slots", "most"),
    [
        ("auto", 30, 2, False, None, 15),
        ("auto", 31, 2, False, None, 16),
        ("auto", 30, 2, True, None, 7),
        ("auto", 3, 2, True, None, 1),
        (4, 30, 2, True, 4, 4),
        (20, 30, 2, True, 15, 15),
        (8, 3, 4, False, 1, 1),
    ],
)
def test_the_limit_of_a_group(
    asked: Any, trials: int, groups: int, learns: bool, slots: int | None, most: int
) -> None:
    limit = slot_limit(asked, trials, groups, learns, None)
    assert (limit.slots, limit.most) == (slots, most)


@pytest.mark.parametrize("asked", ["auto", 1])
def test_trials_that_cannot_be_packed_have_one_slot_and_the_reason(asked: Any) -> None:
    assert slot_limit(asked, 30, 1, False, "they change the base") == SlotLimit(1, 1, "they change the base")


def drawn(config: SearchConfig) -> tuple[dict[str, Any], ...]:
    return probes(config, SearchSpace(config.parameters, config.fixed))


def without_seed(probe: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, value) for name, value in probe.items() if name != "seed"))


def test_probes_are_whole_trials_of_the_space_and_seeded() -> None:
    config = make_config()
    found = drawn(config)
    assert len(found) == MOST
    assert len({without_seed(probe) for probe in found}) == MOST
    assert found == drawn(config)
    assert found != drawn(make_config(seed=1))
    for probe in found:
        params = LoraParameters.model_validate(probe)
        assert 1e-5 <= params.lr <= 1e-2
        assert params.rank in (2, 4, 8, 16, 32)


def test_probes_of_a_small_space_come_again_with_other_seeds() -> None:
    found = drawn(make_config(parameters={"rank": {"type": "categorical", "choices": [2, 4, 8]}}))
    assert len(found) == MOST
    assert {probe["rank"] for probe in found[:3]} == {2, 4, 8}
    assert len({probe["seed"] for probe in found}) == MOST


def test_listed_points_are_probed_first() -> None:
    points = ({"lr": 1e-3, "rank": 4, "alpha_per_rank": 2}, {"rank": 8, "lr": 1e-4, "alpha_per_rank": 1})
    found = drawn(make_config(points=points))
    assert [probe["rank"] for probe in found[:2]] == [4, 8]
    assert [probe["lr"] for probe in found[:2]] == [1e-3, 1e-4]
    assert len(found) == MOST


def test_groups_get_their_limit_and_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def limits(**changes: Any) -> tuple[int | None, int]:
        settings = group_settings(make_config(30, **changes), tmp_path, cpus=1, groups=2)
        assert len(settings.probes) == MOST
        return settings.slots, settings.most_slots

    assert limits() == (None, 7), "the default searcher learns"
    assert limits(searcher={"name": "random"}) == (None, 15)
    assert limits(workers={"slots": 4}) == (4, 4)
    assert limits(workers={"slots": 20}) == (20, 15), "it says itself that it was asked for more"
    alone(monkeypatch, "they change the base's weights")
    assert limits() == (1, 1)


def test_what_a_group_is_told_is_made_without_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from tests.records import make_config;"
        "from search.groups.settings import group_settings;"
        "group_settings(make_config(), Path(), 1, 2);"
        "print(sorted({'torch', 'ray', 'optuna'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
