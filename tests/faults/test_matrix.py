"""A sample of the matrix, drawn anew each time: processes of the search, while trials are in training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.matrix import DRIVER, LATER, all_kills, run

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]


def test_a_search_survives_what_is_drawn_of_the_matrix(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    processes = (DRIVER, "worker", "trial actor", "dispatcher")
    kills = [kill for kill in all_kills(processes) if kill.event in LATER[:-1]]
    run(random.Random(seed).sample(kills, 3), tmp_path)
