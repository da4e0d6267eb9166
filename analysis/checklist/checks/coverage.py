"""Whether most tokens of another tokenizer began as one of the base's."""

from __future__ import annotations

import math

from analysis.checklist.check import Answer, Examined, check
from analysis.report.context import value
from search import wording

LEAST = 0.95
"""Of the tokens of the training text; the TokAlign recipe's checklist asks for as much."""


@check(
    "token_coverage",
    "Were at least 95% of the tokens initialised from a token of the base?",
    "coverage_fallback",
)
def token_coverage(examined: Examined) -> Answer:
    """Counts tokens as often as they occur: one that hardly occurs costs nothing wherever it began."""
    trial = examined.trial
    by_token, weighted = (1 - value(trial, f"coverage_fallback{suffix}") for suffix in ("", "_weighted"))
    if not math.isfinite(weighted):
        return Answer("cannot tell", "Coverage was not measured.")
    of_text, of_tokens = wording.percent(weighted, 1), wording.percent(by_token, 1)
    text = (
        f"{of_text} of the tokens of the training text, and {of_tokens} of the vocabulary, have the same "
        "text as a token of the base or are aligned with one."
    )
    return Answer(
        "pass" if weighted >= LEAST else "fail",
        text,
        {"weighted": weighted, "by_token": by_token, "least": LEAST},
    )
