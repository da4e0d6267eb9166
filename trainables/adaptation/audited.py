"""What an audit knows of a search of adaptation. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping

from trainables.adaptation.options import AdaptationOptions
from trainables.audited import TRAINING, Audited, Facts, ReadFacts, TrialFact
from trainables.messages import Scalar

_WORKERS: Mapping[str, Scalar] = {
    "shuffle": True,
    "data_offset_examples": 0,
    "eos_appended": True,
    "pad_masked": False,
    "embeddings_trained": True,
    "head_trained": True,
    "trained_dtype": "float32",
    "similarity_normalised": True,
    "vector_ngrams": False,
    "loss_on": "all",
}
"""What every worker does, whatever is configured."""


def _facts(options: AdaptationOptions, seed: int) -> Facts:
    task = options.task
    same = task.heldout is not None and task.heldout == task.train
    facts: dict[str, Scalar] = {**_WORKERS, "heldout_is_train": same, "dtype": options.model.dtype}
    facts["heldout_examples"] = task.heldout_examples
    if task.max_length is not None:
        facts["max_length"] = task.max_length
    return facts


AUDITED = Audited(
    trial={
        **TRAINING,
        "method": TrialFact("stage2"),
        "similarity_threshold": TrialFact("threshold"),
    },
    read=(
        ReadFacts(
            {
                **dict.fromkeys(_WORKERS),
                "heldout_is_train": "task.heldout",
                "dtype": "model.dtype",
                "heldout_examples": "task.heldout_examples",
                "max_length": "task.max_length",
            },
            _facts,
        ),
    ),
)
"""Of stage 2, which trains the model."""
