"""What an audit knows of a search of two adapters. Light: no torch."""

from __future__ import annotations

from trainables.audited import TRAINING, Audited, TrialFact
from trainables.lora.audited import ADAPTER, DATA, MODEL, SIZES, TASK

AUDITED = Audited(
    trial={**TRAINING, **ADAPTER, "corpus_examples": TrialFact("all_examples")},
    read=(DATA, MODEL, TASK, SIZES),
)
"""Of the good adapter, which is the result."""
