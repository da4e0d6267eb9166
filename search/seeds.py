"""Seeds that are derived from the search's own, so that what is drawn depends on nothing else."""

from __future__ import annotations

import hashlib

_BITS = 64


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed of 64 bits for one purpose; the same on every machine and in every session.

    Args:
        seed: The search's seed.
        purpose: What it is for, for example "confirm", the trial, and the repetition.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: _BITS // 8], "big")


def derived_share(seed: int, *purpose: str | int) -> float:
    """The same as a number from 0 to 1."""
    return derived_seed(seed, *purpose) / 2.0**_BITS
