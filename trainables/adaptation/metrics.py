"""Metrics of the trainable `adaptation`. Light: no torch."""

from __future__ import annotations

from trainables.evaluation.declared import declared_metrics
from trainables.settings import CapabilityConfig
from trainables.trainable import MetricSpec

BITS = "bits_per_byte"
START, STAGE1 = "bits_per_byte_start", "bits_per_byte_stage1"
TOP1, BLEU1 = "alignment_top1", "mapped_bleu1"
TOKENS = "tokens_per_byte"
GAIN = "subtokens_gain"
_OVER = ("documents",)
_HELDOUT = "of UTF-8 of the held-out text, which models with different tokenizers are compared by."


def _share(name: str, meaning: str, better: bool | None = None) -> MetricSpec:
    direction = None if better is None else "max" if better else "min"
    return MetricSpec(name, meaning, direction, low=0.0, high=1.0)  # type: ignore[arg-type]


def _count(name: str, meaning: str) -> MetricSpec:
    return MetricSpec(name, meaning, low=0.0, trained=True)


METRICS = (
    MetricSpec(
        BITS,
        f"Bits per byte {_HELDOUT}",
        "min",
        low=0.0,
        relative="bits_ratio",
        sample="documents",
        over=_OVER,
    ),
    MetricSpec(
        TOKENS, "Tokens per byte of the held-out text.", "min", low=0.0, sample="documents", over=_OVER
    ),
    MetricSpec(
        GAIN,
        "Bits per byte of the held-out text less than with the target tokenizer, untrained, and the mean of "
        "sub-tokens for all that is not shared; paired document by document.",
        "max",
        sample="documents",
    ),
    _share("coverage_same", "Share of the target tokens that stand for the same text as a source token."),
    _share(
        "coverage_aligned", "Share of the target tokens that are aligned with a source token of another text."
    ),
    _share("coverage_fallback", "Share of the target tokens that are initialised by the fallback."),
    _share("coverage_same_weighted", "As coverage_same, of the tokens of the training text."),
    _share("coverage_aligned_weighted", "As coverage_aligned, of the tokens of the training text."),
    _share("coverage_fallback_weighted", "As coverage_fallback, of the tokens of the training text."),
    _share(TOP1, "Share of held-out shared tokens that are aligned with the same text.", True),
    _share(BLEU1, "BLEU-1 of the training text in target tokens, mapped to source tokens.", True),
    _count("stage1_steps", "Optimizer steps of stage 1, in which the embeddings and the head are trained."),
    _count("stage1_sequences", "Sequences of the training text that stage 1 has read."),
    _count("stage2_first", "Place in the stream of sequences where stage 2 begins."),
    _count("stage2_sequences", "Sequences of the training text that stage 2 has read."),
    _count("stage1_passes", "The same of stage 1, over all sequences there are."),
    _count("stage2_passes", "The same of stage 2, over all sequences there are."),
    MetricSpec(START, f"Before stage 1, bits per byte {_HELDOUT}", "min", low=0.0, at="last", trained=True),
    MetricSpec(STAGE1, f"After stage 1, bits per byte {_HELDOUT}", "min", low=0.0, at="last", trained=True),
)
"""What is measured whatever is asked."""

_PER_TOKEN = ("heldout_", "general_loss", "general_perplexity", "kl_base")
"""What names begin with of metrics over tokens, which differ between tokenizers."""


def measured_metrics(capability: CapabilityConfig | None) -> list[MetricSpec]:
    """All metrics: of text by bytes, and of the questions."""
    asked = [] if capability is None else declared_metrics(capability)
    return [*METRICS, *(spec for spec in asked if not spec.name.startswith(_PER_TOKEN))]
