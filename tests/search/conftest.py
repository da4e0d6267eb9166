"""Fixtures of the search's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.searches import finish, start


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where a search has run to its end as README has a user run it, and what it printed."""
    out = tmp_path_factory.mktemp("runs")
    code, output = finish(start("space=demo", "trials=4", "budget.steps=27", f"out={out}", report=True))
    assert code == 0, output
    return out, output
