"""A sample of the matrix, drawn anew each time: kills while trials are in training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.matrix import LATER, all_kills, run

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]


def test_a_search_survives_what_is_drawn_of_the_matrix(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    draw, kills = random.Random(seed), all_kills()
    events = draw.sample(LATER[:-1], 3)
    run([draw.choice([kill for kill in kills if kill.event == event]) for event in events], tmp_path)
