"""Metrics of the trainable `adaptation`. Light: no torch."""

from __future__ import annotations

from trainables.trainable import MetricSpec

BITS = "bits_per_byte"
START, STAGE1 = "bits_per_byte_start", "bits_per_byte_stage1"
TOP1, BLEU1 = "alignment_top1", "mapped_bleu1"
TOKENS = "tokens_per_byte"
_HELDOUT = "of UTF-8 of the held-out text, which models with different tokenizers are compared by."


def _share(name: str, meaning: str, better: bool | None = None) -> MetricSpec:
    direction = None if better is None else "max" if better else "min"
    return MetricSpec(name, meaning, direction, low=0.0, high=1.0)  # type: ignore[arg-type]


METRICS = (
    MetricSpec(BITS, f"Bits per byte {_HELDOUT}", "min", low=0.0, relative="bits_ratio", sample="documents"),
    MetricSpec(TOKENS, "Tokens per byte of the held-out text.", "min", low=0.0, sample="documents"),
    _share("coverage_same", "Share of the target tokens that stand for the same text as a source token."),
    _share(
        "coverage_aligned", "Share of the target tokens that are aligned with a source token of another text."
    ),
    _share("coverage_fallback", "Share of the target tokens that begin with the fallback."),
    _share("coverage_same_weighted", "As coverage_same, of the tokens of the training text."),
    _share("coverage_aligned_weighted", "As coverage_aligned, of the tokens of the training text."),
    _share("coverage_fallback_weighted", "As coverage_fallback, of the tokens of the training text."),
    _share(TOP1, "Share of held-out shared tokens that are aligned with the same text.", True),
    _share(BLEU1, "BLEU-1 of the training text in target tokens, mapped to source tokens.", True),
    MetricSpec(START, f"Before stage 1, bits per byte {_HELDOUT}", "min", low=0.0, at="last", trained=True),
    MetricSpec(STAGE1, f"After stage 1, bits per byte {_HELDOUT}", "min", low=0.0, at="last", trained=True),
)
