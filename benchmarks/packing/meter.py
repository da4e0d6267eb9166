"""The clock, and what went through the model while it ran."""

from __future__ import annotations

import ctypes
import gc
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Timing:
    """One way of training, once.

    Attributes:
        seconds: On the clock.
        passed: Tokens that went through the model, with padding.
        passes: Forward passes.
        memory: Largest number of bytes allocated on the device; on a CPU, resident and not so
            before the run.
        losses: Of each trial, the mean loss of each optimizer step.
        rows: Rows of a pass, at most, where memory made it necessary to divide a batch (PEFT's loops).
        limit: Tokens of a pass, at most (packs).
    """

    seconds: float
    passed: int
    passes: int
    memory: int
    losses: list[list[float]]
    rows: int | None = None
    limit: int | None = None


def release(device: torch.device) -> None:
    """Gives back what runs before have left behind."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew


def _resident(key: str) -> int:
    """Bytes by /proc/self/status: "VmRSS", or "VmHWM" for the peak."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition(f"{key}:")[2].split()[0])


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Meter:
    """Context in which time, passes and tokens are counted; may be entered many times."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._running = False
        self._began = 0.0
        self.seconds = 0.0
        self.passed = 0
        self.passes = 0
        release(device)
        self._before = 0 if device.type == "cuda" else _resident("VmRSS")

    def watch(self, model: nn.Module) -> None:
        """Counts the passes of this model from now on."""
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._running:
            self.passes += 1
            self.passed += kwargs["input_ids"].numel()

    def __enter__(self) -> None:
        synchronise(self._device)
        self._running = True
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            synchronise(self._device)
        self.seconds += time.perf_counter() - self._began
        self._running = False

    def timing(self, losses: list[list[float]], rows: int | None = None, limit: int | None = None) -> Timing:
        """What has been counted."""
        if self._device.type == "cuda":
            memory = torch.cuda.max_memory_allocated(self._device)
        else:
            memory = _resident("VmHWM") - self._before
        return Timing(self.seconds, self.passed, self.passes, memory, losses, rows, limit)
