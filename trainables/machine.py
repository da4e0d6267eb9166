"""What of this machine the process may use: a container's limits count, not only what is built in.

Linux groups processes in a hierarchy of cgroups; each may have a quota of CPU time and a limit of memory,
and what applies is the least of those from the process's own group up to the root. Version 1 has one
hierarchy per controller, version 2 one for all, and both may be mounted side by side.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


def cores(root: Path = _ROOT) -> int:
    """CPU cores that this process can keep busy: by its affinity, and by the quotas of its cgroups.

    A quota of part of a core is left out: who computes on it waits for the rest. At least 1.

    Args:
        root: Root of the file system that `proc` and `sys` are read from.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return affinity if quota is None else max(1, min(affinity, math.floor(quota + 1e-6)))


def cpu_quota(root: Path = _ROOT) -> float | None:
    """The least CPU quota of this process's cgroups, in cores; None without any."""
    quotas = []
    for group in _groups(root, "cpu"):
        if group.version == 2:
            quota, _, period = _read(group.folder / "cpu.max").partition(" ")
        else:
            quota, period = (_read(group.folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        share = _positive(quota) / (_positive(period) or math.inf)
        if share > 0:
            quotas.append(share)
    return min(quotas, default=None)


def memory_available(root: Path = _ROOT) -> float:
    """Bytes of memory that this process could have beside what it has: of the machine, and of its cgroups."""
    import psutil

    rooms = [float(psutil.virtual_memory().available)]
    for group in _groups(root, "memory"):
        limit_file, used_file, cache = _MEMORY_FILES[group.version]
        limit, used = _positive(_read(group.folder / limit_file)), _positive(_read(group.folder / used_file))
        if limit > 0:
            # What was read from files counts as used, and goes when something else wants its place.
            rooms.append(max(0.0, limit - used + _statistic(group.folder, cache)))
    return min(rooms)


_MEMORY_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True)
class _Group:
    """A cgroup: the version of its hierarchy, and its folder."""

    version: int
    folder: Path


def _groups(root: Path, controller: str) -> Iterator[_Group]:
    """The process's cgroups of a controller, as far as they can be seen, from its own up to the root."""
    paths: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths |= dict.fromkeys(controllers.split(","), path)  # version 2 names none: ""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        mount, _, kind = line.partition(" - ")
        fields, types = mount.split(" "), kind.split(" ")
        if len(fields) < 5 or len(types) < 3:
            continue
        if types[0] == "cgroup2" and "" in paths:
            version, path = 2, paths[""]
        elif types[0] == "cgroup" and controller in paths and controller in types[2].split(","):
            version, path = 1, paths[controller]
        else:
            continue
        top = root / fields[4].lstrip("/")
        below = _below(path, fields[3])
        for depth in range(len(below.parts), -1, -1):
            yield _Group(version, top.joinpath(*below.parts[:depth]))


def _below(path: str, mounted: str) -> PurePosixPath:
    """Where a cgroup lies below what is mounted; at its top, where a container sees only its own part."""
    try:
        below = PurePosixPath(path).relative_to(mounted)
    except ValueError:
        return PurePosixPath()
    return PurePosixPath() if ".." in below.parts else below


def _read(path: Path) -> str:
    """A file's text; nothing where there is none, or it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _positive(text: str) -> float:
    """A positive number; 0 for "max", -1 and whatever else says that there is no limit."""
    return float(text) if text.isdecimal() else 0.0


def _statistic(folder: Path, name: str) -> float:
    """A value of `memory.stat`; 0 where it is not there."""
    for line in _read(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _positive(value)
    return 0.0
