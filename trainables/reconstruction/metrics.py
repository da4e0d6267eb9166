"""What an evaluation of `reconstruction` measures. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.evaluation.collapse import COMMONEST, FIRST_ENTROPY, LATENT_COSINE, UNIQUE
from trainables.trainable import MetricSpec

TERMS = ("reconstruction", "answer", "distillation")
"""Terms of the loss, in the order of `losses.Terms`."""

F1, SHUFFLED, EXACT = "f1", "f1_shuffled", "exact_match"
FIRST_ACCURACY, FIRST_LOSS = "first_token_accuracy", "first_token_loss"
COSINE, RMS_RATIO = "reconstruction_cosine", "rms_ratio"

SHARES = frozenset({F1, SHUFFLED, EXACT, FIRST_ACCURACY, UNIQUE, COMMONEST})
"""Metrics that are means of values between 0 and 1, one for each question."""

BITS = (EXACT, FIRST_ACCURACY)
"""Metrics whose values are 0 or 1, so that trials can be compared question by question."""

_ANSWERS = (
    MetricSpec(
        F1,
        "Overlap in words of a reply with the right answer that it fits best (token F1, as in SQuAD).",
        "max",
        0.0,
        1.0,
        relative="f1_kept",
        over=("questions",),
        sample="questions",
    ),
    MetricSpec(
        EXACT,
        "Share of replies that are a right answer, after SQuAD's normalisation.",
        "max",
        0.0,
        1.0,
        items=(EXACT,),
        over=("questions",),
        sample="questions",
    ),
    MetricSpec(
        FIRST_ACCURACY,
        "Share of replies whose first token is that of a right answer.",
        "max",
        0.0,
        1.0,
        items=(FIRST_ACCURACY,),
        over=("questions",),
        sample="questions",
    ),
    MetricSpec(
        FIRST_LOSS,
        "Cross-entropy of the first right answer's first token, in nats.",
        "min",
        0.0,
        sample="questions",
    ),
    MetricSpec(
        SHUFFLED,
        "The same as f1, with another question's passage: a model that reads the passage does worse, and one "
        "that does not, as well.",
        None,
        0.0,
        1.0,
        over=("questions",),
        sample="questions",
    ),
)

_COLLAPSE = (
    MetricSpec(
        UNIQUE,
        "Different replies per question. Above 0.6 is healthy and below 0.2 collapsed, where replies to the "
        "text differ that much.",
        "max",
        0.0,
        1.0,
        sample="replies",
    ),
    MetricSpec(COMMONEST, "Share of the commonest reply.", None, 0.0, 1.0, sample="replies"),
    MetricSpec(
        LATENT_COSINE,
        "Cosine between what is rebuilt from different inputs, centred, over the tokens that both have. "
        "Below 0.5 is healthy and above 0.95 collapsed.",
        None,
        -1.0,
        1.0,
        sample="questions",
    ),
    MetricSpec(
        FIRST_ENTROPY,
        "Entropy of a reply's first token, in nats. 2 to 4 is usual, less where the model is sure; above 7 "
        "is collapsed.",
        None,
        0.0,
        sample="questions",
    ),
)

_REBUILT = (
    MetricSpec(
        COSINE,
        "Cosine between rebuilt and real embeddings. It does not say whether the model can answer.",
        "max",
        -1.0,
        1.0,
        sample="questions",
    ),
    MetricSpec(
        RMS_RATIO,
        "Root mean square of rebuilt embeddings, relative to that of the real ones; 1 is right.",
        None,
        0.0,
        sample="questions",
    ),
)

_TRAINED = tuple(
    MetricSpec(
        f"loss_share_{term}",
        f"Share of the {what} in the training loss, after weighting; the mean since the last rung.",
        None,
        0.0,
        1.0,
        trained=True,
    )
    for term, what in zip(
        TERMS,
        ("reconstruction", "cross-entropy on answers", "divergence from the text's reader"),
        strict=True,
    )
)

METRICS: Sequence[MetricSpec] = (*_ANSWERS, *_COLLAPSE, *_REBUILT, *_TRAINED)
