"""A search on a cluster that begins without room for it: the autoscaler of Ray brings nodes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.ray_cluster import RAY_ENVIRONMENT
from tests.searches import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.long]

ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Among no other processes: Ray's tests of autoscaling end every cluster that they see."""

FIRST = ("sh", "-c", '"$@"; exit $?', "sh")
"""The namespace's first process: Ray takes a driver that is a child of it for an orphan."""


@pytest.mark.skipif(
    subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no rights to make a namespace",
)
def test_nodes_come_for_a_search_that_nothing_has_room_for(tmp_path: Path) -> None:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with tempfile.TemporaryDirectory(prefix="ray-") as scratch:  # sockets need a short path
        done = subprocess.run(
            [*ALONE, *FIRST, sys.executable, "-m", "tests.autoscaled", str(tmp_path)],
            cwd=ROOT,
            env=os.environ
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "200",
                "RAY_TMPDIR": scratch,
                **RAY_ENVIRONMENT,
                **token,
            },
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-5000:]
    seen = json.loads(done.stdout.splitlines()[-1])

    assert "0 of 1 worker groups have room now, and each needs 1 x (1 CPU, 2 GPU)" in seen["waiting"]["said"]
    assert "1 worker group of 1 x (64 CPU, 0 GPU) does not fit" in seen["refused"]

    growing = seen["growing"]
    assert growing["code"] == 128 + signal.SIGINT, growing["said"]
    assert growing["lost"] == [], "no trial minds that nodes come"
    before, most = growing["nodes"]
    assert (before, most) == (1, 3), "the search has asked for all that the autoscaler has"
    recorded = growing["recorded"]
    assert [groups for _, groups, _ in recorded] == [devices for *_, devices in recorded]
    counts = [count for count, *_ in recorded]
    assert most - 1 in counts[counts.index(most) :], "a node that has gone costs no more"
    assert "asking the cluster's autoscaler for nodes with room for 1 x (2 CPU, 0 GPU)" in growing["said"]

    capacity = seen["gpus"]["capacity"]
    assert capacity["gpus"] == 1.0, "no node has a GPU yet, but one that the autoscaler can start"
    assert capacity["groups"] == 1
    assert "0 of 1 worker groups have room" in capacity["waiting"]
