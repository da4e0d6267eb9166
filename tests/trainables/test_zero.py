"""One and two workers under ZeRO stages 0, 2 and 3 train the same trials to the same numbers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainables.zero_run import SPARED

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


STAGES = ("0", "2", "3", f"3{SPARED}")


def train(workers: int, out: Path) -> dict[str, dict[str, Any]]:
    """What came out under each stage."""
    command = [
        sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={workers}",
        "--master-addr=127.0.0.1", f"--master-port={free_port()}",
        str(ROOT / "tests" / "trainables" / "zero_run.py"), str(out), *STAGES,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    reports: dict[str, dict[str, Any]] = json.loads(out.read_text())
    return reports


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return train(1, tmp_path_factory.mktemp("zero") / "one.json")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return train(2, tmp_path_factory.mktemp("zero") / "two.json")


@pytest.fixture
def alone(one: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return one["0"]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("stage", "workers"),
    [("2", 1), ("3", 1), (f"3{SPARED}", 1), ("0", 2), ("2", 2), ("3", 2), (f"3{SPARED}", 2)],
)
def test_losses_do_not_depend_on_stage_or_workers(
    alone: dict[str, Any], stage: str, workers: int, request: pytest.FixtureRequest
) -> None:
    report = request.getfixturevalue({1: "one", 2: "two"}[workers])[stage]
    np.testing.assert_allclose(report["losses"], alone["losses"], rtol=1e-4)
    np.testing.assert_allclose(report["logits"], alone["logits"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(report["base"], alone["base"], rtol=1e-5, atol=1e-6)
    assert report["words"] == [1] * workers
    assert report.get("why_apart") is None
    assert not report["whole_logits"]


@pytest.mark.integration
def test_trials_change_the_adapter_and_leave_the_base_as_it_was(alone: dict[str, Any]) -> None:
    assert alone["base_after"] == alone["base"]
    for logits in alone["logits"]:
        assert not np.allclose(logits, alone["base"][0], atol=1e-2)
