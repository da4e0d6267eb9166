"""A sample of the matrix of kills, drawn anew each time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.matrix import all_kills, run

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]


def test_a_search_survives_what_is_drawn_of_the_matrix(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"python -m tests.faults.matrix --kills 3 --seed {seed}")
    kills = all_kills()
    random.Random(seed).shuffle(kills)
    run(kills[:3], tmp_path)
