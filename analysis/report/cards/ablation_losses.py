"""What switching an adapter off costs on clean text, and on text with the behaviour."""

from __future__ import annotations

from analysis.report.ablations import ablation_plot, measured, numbers, sentences, swept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis
from analysis.report.context import Context
from analysis.report.statistics import Estimate
from analysis.report.sweeps import SEEDS, settings
from search import wording

STEMS = {"clean_loss": "on clean text", "behaviour_loss": "on text with the behaviour"}
"""Of which text, by the metric's stem."""


@card(
    "ablation_losses",
    "What switching an adapter off costs",
    12,
    read=(
        "Lower is better. On clean text, the line with the bad adapter off should be as low as the baseline "
        "that was trained on clean text alone; on text with the behaviour, it should be high."
    ),
)
class AblationLosses:
    """Held-out losses under each ablation over the labelled share."""

    def applies(self, context: Context) -> str | None:
        """Where a loss was measured with adapters off."""
        if any(measured(context, stem) for stem in STEMS):
            return None
        return "No completed trial has a held-out loss measured with an adapter switched off."

    def compute(self, context: Context) -> Findings:
        """Both losses of every setting, and what the clean one is in words."""
        over = swept(context)
        setting = settings(context, over)[0]
        stems = {stem: title for stem, title in STEMS.items() if measured(context, stem)}
        texts = tuple(
            text
            for stem, title in stems.items()
            for text in sentences(context, over, setting, stem, f"Held-out loss {title}", _number)
        )
        title = "Held-out losses, by ablation"
        alt = " ".join((f"{title}.", *texts))
        plot = ablation_plot(context, over, "losses", title, Axis("held-out loss"), stems, alt)
        return Findings(
            data={setting.label: {stem: numbers(context, over, setting, stem) for stem in stems}},
            texts=texts,
            notes=(SEEDS,),
            plots=(plot,),
        )


def _number(loss: Estimate) -> str:
    return wording.number(loss.value)
