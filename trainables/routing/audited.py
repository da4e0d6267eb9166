"""What an audit knows of a search of two adapters. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable

from trainables.audited import TRAINING, Audited, ComputedFact, TrialFact
from trainables.lora.audited import ADAPTER, DATA, MODEL, SIZES, TASK, trained_by
from trainables.messages import Scalar
from trainables.routing.options import RoutingOptions


def _trained(options: RoutingOptions) -> Callable[..., Scalar] | None:
    """Parameters of both adapters."""
    count = trained_by(options)
    if count is None:
        return None

    def both(rank: int, rank_bad: int | None, target_modules: str, layers: int | None) -> Scalar:
        return count(rank + (rank if rank_bad is None else rank_bad), target_modules, layers)

    return both


AUDITED = Audited(
    trial={
        **TRAINING,
        **ADAPTER,
        "rslora": TrialFact("False"),
        "loraplus_lr_ratio": TrialFact("1.0"),
        "dropout": TrialFact("0.0"),
        "corpus_examples": TrialFact("all_examples"),
    },
    computed={
        "trainable_parameters": ComputedFact(("rank", "rank_bad", "target_modules", "layers"), _trained)
    },
    read=(DATA, MODEL, TASK, SIZES),
)
"""Of the good adapter, which is the result, but for the number of trained parameters."""
