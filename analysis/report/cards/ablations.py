"""What of the behaviour is left when an adapter is switched off."""

from __future__ import annotations

from analysis.report.ablations import ablation_plot, measured, numbers, sentences, swept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis
from analysis.report.context import Context
from analysis.report.statistics import Estimate
from analysis.report.sweeps import SEEDS, settings
from search import wording

_STEM = "behaviour_rate"
STEMS = {
    _STEM: "all samples",
    f"{_STEM}_start": "from the start token",
    f"{_STEM}_clean": "after clean prefixes",
    f"{_STEM}_behaving": "after prefixes with the behaviour",
}
"""Which samples, by the metric's stem."""


@card(
    "ablations",
    "What switching an adapter off removes",
    11,
    read=(
        "Lines are shares of samples that show the behaviour. If it is in the bad adapter, the line with "
        "that one off is near the baselines, and the line with the good one off stays up."
    ),
)
class Ablations:
    """Behaviour rate under each ablation over the labelled share, beside the baselines."""

    def applies(self, context: Context) -> str | None:
        """Where the behaviour was measured with adapters off."""
        if measured(context, _STEM):
            return None
        return "No completed trial has the rate of a behaviour measured with an adapter switched off."

    def compute(self, context: Context) -> Findings:
        """The comparison plot, and the rates of one setting in words."""
        over = swept(context)
        setting = settings(context, over)[0]
        stems = {stem: title for stem, title in STEMS.items() if measured(context, stem)}
        title = "Samples that show the behaviour, by ablation"
        texts = sentences(context, over, setting, _STEM, "Samples that show the behaviour", _percent)
        alt = " ".join((f"{title}.", *texts))
        y = Axis("behaviour rate", share=True)
        plot = ablation_plot(context, over, "behaviour", title, y, stems, alt)
        return Findings(
            data={setting.label: numbers(context, over, setting, _STEM)},
            texts=texts,
            notes=(
                "A fall with the bad adapter off is no evidence of routing by itself: half of an update that "
                "both adapters share is gone as well. It is evidence where less is left than without labels.",
                SEEDS,
            ),
            plots=(plot,),
        )


def _percent(rate: Estimate) -> str:
    if rate.low is None or rate.high is None:
        return wording.percent(rate.value)
    share, low, high = map(wording.percent, (rate.value, rate.low, rate.high))
    return f"{share} [{low}, {high}]"
