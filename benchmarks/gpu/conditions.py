"""The machine and the libraries, and what the device can do at most."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.gpu.part import Row, Stage
from benchmarks.packing.flops import matrix_peak
from trainables.machine import cores

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "bitsandbytes")
_ASKED = ("driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "temperature.gpu")


def conditions(stage: Stage) -> Iterator[Row]:
    """One row; it runs in a process like a part does, and before all of them."""
    row: Row = {
        "rehearsal": stage.rehearse,
        "device": platform.processor() or "cpu",
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        "cuda": torch.version.cuda,
        "cores": cores(),
        "load_average": os.getloadavg()[0],
        "commit": _commit(),
    }
    if stage.device.type == "cuda":
        facts = torch.cuda.get_device_properties(stage.device)
        row |= {
            "device": facts.name,
            "memory_gib": facts.total_memory / 2**30,
            "multiprocessors": facts.multi_processor_count,
            "matrix_peak_tflops": matrix_peak(stage.device) / 1e12,
            **_driver(),  # after the products: clocks are then those of a device at work
        }
    yield row


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _said(*command: str) -> str | None:
    """What a program prints; None where there is no such program, or it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, cwd=Path(__file__).parent, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _commit() -> str | None:
    commit = _said("git", "rev-parse", "--short=12", "HEAD")
    return commit and commit + (" with changes" if _said("git", "status", "--porcelain", "-uno") else "")


def _driver() -> Row:
    said = _said("nvidia-smi", f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader", "--id=0")
    if said is None:
        return {}
    return dict(zip(_ASKED, said.split(", "), strict=False))
