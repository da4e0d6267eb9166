"""Trials that are trained on although they would be stopped, to see what stopping loses."""

from __future__ import annotations

from search.seeds import derived_share

AUDITED = 0.1
"""Their share. Trials that were allowed to continue are a biased sample: where stopping is wrong, they do not
show it."""


def is_audited(seed: int, trial: int) -> bool:
    """Whether the trial is one of them; by the search's seed and its number alone."""
    return derived_share(seed, "audit", trial) < AUDITED
