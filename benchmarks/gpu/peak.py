"""Memory at its fullest while something runs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import torch


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """Bytes of tensors that were allocated at once while `run` ran, beyond those that there were before.

    On a CPU every allocation is recorded, which is slow; on a GPU torch keeps count.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as recorded:
        run()
    # Only the events that torch keeps internally have the bytes of each allocation.
    profiler: Any = recorded.profiler
    allocations = sorted(_allocations(profiler.kineto_results.experimental_event_tree()))
    allocated = most = 0
    for _, size in allocations:
        allocated += size
        most = max(most, allocated)
    return most


def _allocations(events: Any) -> Iterator[tuple[int, int]]:
    """(time, bytes; negative where they are given back) of each."""
    for event in events:
        size = getattr(event.extra_fields, "alloc_size", None)
        if size is not None:
            yield event.start_time_ns, size
        yield from _allocations(event.children)
