"""How the tokens of another tokenizer began: as the same, aligned with another, or by a fallback."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.look import BLUE, GREY, ORANGE, Look
from analysis.report.words import MOST_ROWS, capitalised, cut
from search import wording
from search.judging.objectives import metrics_of

_PARTS = {
    "same text": ("coverage_same", Look(BLUE)),
    "aligned": ("coverage_aligned", Look(ORANGE, pattern="/")),
    "fallback": ("coverage_fallback", Look(GREY, pattern=".")),
}
_WEIGHTED = "_weighted"
_QUALITY = ("alignment_top1", "mapped_bleu1")
_SHOWN = 6


@card(
    "coverage",
    "How the target's tokens were initialised",
    11,
    read=(
        "Three parts of the new vocabulary: tokens for the same text as an old one, tokens aligned with an "
        "old one of another text, and the rest. Weighted, a token counts as often as it occurs in the "
        "training text."
    ),
)
class CoverageCard:
    """Coverage in three parts, by tokens and weighted."""

    def applies(self, context: Context) -> str | None:
        """Where it was measured."""
        return None if _measured(context) else "No trial has another vocabulary than the base."

    def compute(self, context: Context) -> Findings:
        """Bars for the recommended trial and the baselines, and a table of all."""
        measured = _measured(context)
        shown = dict(list(measured.items())[:_SHOWN])
        said = [name for name in shown if not name.startswith("trial") or name == next(iter(shown))]
        return Findings(
            data={name: _row(each) for name, each in measured.items()},
            texts=tuple(_sentence(name, shown[name]) for name in said),
            notes=(
                "alignment_top1 is the share of shared tokens that are aligned with the same text when they "
                "are held out; mapped_bleu1 compares the text, mapped to old tokens, with what the old "
                "tokenizer makes of it.",
            ),
            plots=(_plot(shown, _table(measured)),),
        )


def _measured(context: Context) -> dict[str, Mapping[str, float]]:
    """Metrics by name of what has another vocabulary: recommended trial, baselines, other trials."""
    trials = {f"trial {trial.number}": metrics_of(trial) for trial in context.trials}
    best = f"trial {context.recommended}"
    names = [best, *(name for name in trials if name != best)]
    every = {best: trials.get(best, {})}
    every |= {name: each.metrics for name, each in context.baselines.items() if each is not context.base}
    every |= {name: trials.get(name, {}) for name in names}
    return {
        name: each
        for name, each in every.items()
        if all(math.isfinite(each.get(metric, math.nan)) for metric, _ in _PARTS.values())
    }


def _row(metrics: Mapping[str, float]) -> dict[str, float]:
    names = [metric + suffix for metric, _ in _PARTS.values() for suffix in ("", _WEIGHTED)]
    return {name: metrics[name] for name in (*names, *_QUALITY) if name in metrics}


def _sentence(name: str, metrics: Mapping[str, float]) -> str:
    def shares(suffix: str) -> str:
        return ", ".join(
            f"{wording.percent(metrics[metric + suffix], 1)} {part}" for part, (metric, _) in _PARTS.items()
        )

    text = f"{capitalised(name)}: {shares('')}, of its tokens"
    return f"{text}; {shares(_WEIGHTED)}, of the tokens of the training text."


def _plot(shown: Mapping[str, Mapping[str, float]], table: Table) -> Plot:
    bars = {
        f"{name}, {weighting}": (each, suffix)
        for name, each in shown.items()
        for weighting, suffix in (("tokens", ""), ("weighted", _WEIGHTED))
    }
    series = tuple(
        Series(
            part,
            [each[metric + suffix] for each, suffix in bars.values()],
            list(bars),
            look,
            "bars",
            text=[f"{bar}: {each[metric + suffix]:.1%} {part}" for bar, (each, suffix) in bars.items()],
        )
        for part, (metric, look) in _PARTS.items()
    )
    chart = XYChart(
        Axis("share", low=0, high=1, share=True),
        Axis("", "category", reverse=True, categories=tuple(bars)),
        series,
        sideways=True,
        stacked=True,
        height=max(0.6, 0.12 * len(bars)),
    )
    alt = "; ".join(_sentence(name, each) for name, each in shown.items())
    return Plot("coverage", "Coverage in three parts", alt, (chart,), table=table)


def _table(measured: Mapping[str, Mapping[str, float]]) -> Table:
    names = list(_row(next(iter(measured.values()))))
    rows = tuple(
        (name, *(wording.percent(each[metric], 1) if metric in each else "-" for metric in names))
        for name, each in list(measured.items())[:MOST_ROWS]
    )
    return Table(("", *names), rows, f"Coverage and quality of the alignment.{cut(len(measured))}")
