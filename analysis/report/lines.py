"""Lines over learning rates, of the means of groups of trials."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.report.chart import Series
from analysis.report.groups import Group
from analysis.report.look import nth
from analysis.report.statistics import Estimate


def line(
    name: str, groups: Sequence[Group], means: Sequence[Estimate], texts: Sequence[str], index: int
) -> Series:
    """One line with intervals: a point for each group with its mean in words, in the look of its index."""
    return Series(
        name,
        [group.centre for group in groups],
        [mean.value for mean in means],
        nth(index),
        "both",
        low=[mean.low for mean in means],
        high=[mean.high for mean in means],
        text=[f"{name}, lr {group.label}: {text}" for group, text in zip(groups, texts, strict=True)],
    )
