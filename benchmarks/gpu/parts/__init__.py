"""The parts, one file each."""

from __future__ import annotations

from importlib import import_module

from benchmarks.gpu.part import Part

NAMES = (
    "exactness",
    "throughput",
    "slots",
    "memory",
    "head",
    "evaluation",
    "profile",
    "variants",
    "nf4",
)
"""Most important first: what runs short of time is at the end."""


def load(name: str) -> Part:
    """The part of this name."""
    part = import_module(f"benchmarks.gpu.parts.{name}").PART
    assert isinstance(part, Part)
    return part
