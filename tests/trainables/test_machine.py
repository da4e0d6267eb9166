"""A container's limits count as the machine's own, by whichever version of cgroups they are set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from trainables.machine import cores, cpu_quota, memory_available

UNIFIED = "0::{path}\n"
V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,relatime - cgroup2 cgroup rw\n"
SPLIT = "4:memory:{path}\n3:cpuset:/\n2:cpu,cpuacct:{path}\n0::/\n"
V1 = (
    "31 23 0:27 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 23 0:28 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 23 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "34 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
DISK = "29 23 254:1 / / rw,relatime - ext4 /dev/vda rw\n"


def tree(root: Path, own: str, mounts: str, files: Mapping[str, str]) -> Path:
    """A file system with these files below `sys/fs/cgroup`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own)
    (root / "proc/self/mountinfo").write_text(DISK + mounts)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("own", "root", "files", "quota"),
    [
        ("/", "/", {"cpu.max": "150000 100000"}, 1.5),
        ("/", "/", {"cpu.max": "max 100000"}, None),
        ("/", "/", {}, None),
        ("/", "/", {"cpu.max": "garbage"}, None),
        # The least of all levels, whichever it is.
        ("/a/b", "/", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ("/a/b", "/", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "200000 100000"}, 0.5),
        # A container that sees its own part alone, by a name space of its own or without one.
        ("/docker/x", "/docker/x", {"cpu.max": "300000 100000"}, 3.0),
        ("/", "/docker/x", {"cpu.max": "300000 100000"}, 3.0),
        ("/../other", "/", {"cpu.max": "300000 100000"}, 3.0),
    ],
)
def test_quotas_of_version_2(
    tmp_path: Path, own: str, root: str, files: dict[str, str], quota: float | None
) -> None:
    assert cpu_quota(tree(tmp_path, UNIFIED.format(path=own), V2.format(root=root), files)) == quota


@pytest.mark.parametrize(
    ("own", "root", "files", "quota"),
    [
        ("/", "/", {"cfs_quota": "250000"}, 2.5),
        ("/", "/", {"cfs_quota": "-1"}, None),
        ("/docker/x", "/docker/x", {"cfs_quota": "100000"}, 1.0),
        ("/a/b", "/", {"cfs_quota": "-1", "a/cfs_quota": "400000", "a/b/cfs_quota": "300000"}, 3.0),
    ],
)
def test_quotas_of_version_1(
    tmp_path: Path, own: str, root: str, files: dict[str, str], quota: float | None
) -> None:
    placed = {}
    for name, text in files.items():
        folder = name.removesuffix("cfs_quota")
        placed[f"cpu,cpuacct/{folder}cpu.cfs_quota_us"] = text
        placed[f"cpu,cpuacct/{folder}cpu.cfs_period_us"] = "100000"
    assert cpu_quota(tree(tmp_path, SPLIT.format(path=own), V1.format(root=root), placed)) == quota


def test_cores_are_whole_at_least_one_and_never_more_than_the_affinity(tmp_path: Path) -> None:
    own = len(os.sched_getaffinity(0))
    for number, (quota, expected) in enumerate(
        [("50000", 1), ("100000", 1), ("10000000000", own), ("max", own)]
    ):
        files = {"cpu.max": f"{quota} 100000"}
        assert (
            cores(tree(tmp_path / str(number), UNIFIED.format(path="/"), V2.format(root="/"), files))
            == expected
        )
    assert cores(tmp_path / "nothing there") == own


def test_memory_is_what_the_container_has_left_without_what_was_only_read(tmp_path: Path) -> None:
    v2 = {"memory.max": "1000000", "memory.current": "700000", "memory.stat": "anon 1\ninactive_file 200000"}
    assert memory_available(tree(tmp_path / "2", UNIFIED.format(path="/"), V2.format(root="/"), v2)) == 500000
    v1 = {
        "memory/memory.limit_in_bytes": "1000000",
        "memory/memory.usage_in_bytes": "900000",
        "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 50000",
    }
    assert memory_available(tree(tmp_path / "1", SPLIT.format(path="/"), V1.format(root="/"), v1)) == 150000
    free = tree(tmp_path / "free", UNIFIED.format(path="/"), V2.format(root="/"), {"memory.max": "max"})
    assert memory_available(free) == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.fixture
def group() -> Iterator[Path]:
    """A real cgroup with a quota of one core and a half, of whichever version this machine has."""
    one, two = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    parent = one if (one / "cpu.cfs_quota_us").exists() else two
    folder = parent / f"tightrope-test-{os.getpid()}"
    try:
        folder.mkdir()
        if parent is one:
            (folder / "cpu.cfs_quota_us").write_text("150000")
        else:
            (folder / "cpu.max").write_text("150000 100000")
    except OSError as error:
        if folder.exists():
            folder.rmdir()
        pytest.skip(f"no cgroup can be made here: {error.strerror}")
    yield folder
    folder.rmdir()


def test_a_process_in_a_real_cgroup_finds_its_quota(group: Path) -> None:
    code = (
        "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); "
        "from trainables.machine import cores, cpu_quota; print(cpu_quota(), cores())"
    )
    command = [sys.executable, "-c", code, str(group / "cgroup.procs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1.5", "1"]
