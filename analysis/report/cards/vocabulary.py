"""What the words and metrics of the report mean."""

from __future__ import annotations

from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.glossary import meanings, words_of
from search.judging.objectives import metrics_of


@card(
    "vocabulary",
    "What the words mean",
    210,
    read="Look up a term or a metric here.",
)
class Vocabulary:
    """The metrics that were measured, and the words of the other cards."""

    def applies(self, context: Context) -> str | None:
        """Always."""
        return None

    def compute(self, context: Context) -> Findings:
        """Two lists."""
        measured = {name for trial in context.trials for name in metrics_of(trial)}
        measured |= set(context.base.metrics) if context.base else set()
        known = meanings([*context.shown_metrics, *sorted(measured)], context.trainable)
        words = tuple(words_of(context.trainable, bool(context.skills)).items())
        tables = [Table(("word", "meaning"), words, "Words.", wide=True, printed=True)]
        if known:
            rows = tuple(known.items())
            caption = "Metrics that were measured."
            tables.insert(0, Table(("metric", "meaning"), rows, caption, wide=True, printed=True))
        kept = ""
        if context.relative is not None:
            name, ratio = context.relative.name, context.ratio
            kept = f" and by how much it keeps of the base model ({name}, and {ratio} as a share)"
        return Findings(
            data={"metrics": known},
            texts=(
                "A trial is one training run with its own settings. It is judged by how well it learns "
                f"(the loss){kept}.",
            ),
            tables=tuple(tables),
        )
