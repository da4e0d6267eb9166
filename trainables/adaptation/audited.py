"""What an audit knows of a search of adaptation. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping

from trainables.adaptation.options import AdaptationOptions
from trainables.audited import TRAINING, Audited, Facts, ReadFacts, TrialFact
from trainables.lora.audited import ASKED, MODEL, REPLIES, SIZES
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


def _asked(options: AdaptationOptions, seed: int) -> Facts:
    return {} if options.capability is None else ASKED.read(options, seed)


def _replies(options: AdaptationOptions, seed: int) -> Facts:
    return {} if options.capability is None else REPLIES.read(options, seed)


AUDITED = Audited(
    trial={
        **TRAINING,
        "method": TrialFact("stage2"),
        "rank": TrialFact('rank if stage2 == "lora" else None', "rank"),
        "alpha": TrialFact('alpha_per_rank * rank if stage2 == "lora" else None', "alpha_per_rank"),
        "loraplus_lr_ratio": TrialFact("1.0"),
        "lr_embeddings": TrialFact("lr if lr_embeddings == None else lr_embeddings", "lr_embeddings"),
        "embeddings_share": TrialFact("stage1"),
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
        MODEL,
        SIZES,
        ReadFacts(ASKED.keys, _asked),
        ReadFacts(REPLIES.keys, _replies),
    ),
)
"""Of stage 2, which trains the model."""
