"""How far two ways of training are from the exact one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.part import Row

MEAN = 1.5
WORST = 2.0
"""Aims: the error of packed trials is at most this multiple of plain PEFT's, on average and for the trial
that fares worst. Both errors are rounding, which AdamW amplifies, so two correct ways differ by chance."""


@dataclass(frozen=True)
class Numbers:
    """What training a trial gave.

    Attributes:
        losses: Of each step.
        weights: Its adapter afterwards, by PEFT's names without that of the adapter.
    """

    losses: list[float]
    weights: Mapping[str, Tensor]

    def loss_error(self, exact: Numbers) -> float:
        """Root mean square over the steps, relative to the exact losses."""
        ours, theirs = torch.tensor(self.losses), torch.tensor(exact.losses)
        return float(((ours - theirs) / theirs).square().mean().sqrt())

    def weight_error(self, exact: Numbers) -> float:
        """Norm of the difference of all weights, relative to their norm."""
        assert self.weights.keys() == exact.weights.keys()
        pairs = [(self.weights[key].double(), exact.weights[key].double()) for key in exact.weights]
        difference = sum(float((ours - theirs).square().sum()) for ours, theirs in pairs)
        return float((difference / sum(float(theirs.square().sum()) for _, theirs in pairs)) ** 0.5)


def compare(packed: Sequence[Numbers], plain: Sequence[Numbers], exact: Sequence[Numbers]) -> Row:
    """Errors of packed trials and of the same trials alone, and whether those of packed ones are as small."""
    row: Row = {"trials": len(packed), "steps": len(exact[0].losses)}
    row["first_loss"] = statistics.mean(each.losses[0] for each in exact)
    row["last_loss"] = statistics.mean(each.losses[-1] for each in exact)
    met = True
    for name, error in (("loss", Numbers.loss_error), ("weight", Numbers.weight_error)):
        ours = [error(one, to) for one, to in zip(packed, exact, strict=True)]
        theirs = [error(one, to) for one, to in zip(plain, exact, strict=True)]
        mean = statistics.mean(ours) / statistics.mean(theirs)
        worst = max(ours) / max(theirs)
        row |= {
            f"{name}_error_packed": statistics.mean(ours),
            f"{name}_error_plain": statistics.mean(theirs),
            f"{name}_ratio": mean,
            f"{name}_worst_ratio": worst,
        }
        met = met and mean <= MEAN and worst <= WORST
    return row | {"aim": f"mean ratio <= {MEAN}, worst <= {WORST}", "met": met}
