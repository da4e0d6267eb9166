"""What ended trials early, and what failed on the way."""

from __future__ import annotations

from collections import Counter

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.look import nth
from analysis.report.words import ended_by
from search import wording
from search.judging.causes import cause_counts

_LONGEST = 200


@card(
    "failures",
    "Failures and early ends by cause",
    110,
    read="The longer the bar, the more often it happened; the table has an example of each.",
)
class Failures:
    """Counts by cause, with an example of each."""

    def applies(self, context: Context) -> str | None:
        """Where a trial ended early or something failed."""
        ended = cause_counts(context.state) or context.state.failures
        return None if ended else "No trial ended early, and nothing failed."

    def compute(self, context: Context) -> Findings:
        """Trials by what ended them; failures that a trial survived, by class."""
        ends = cause_counts(context.state)
        survived = Counter(failure.failure_class for failure in context.state.failures)
        labels = {cause: ended_by(cause) for cause in ends}
        order = [*labels.values(), *(f"{name} (survived)" for name in survived)]
        series = [Series("ended a trial", list(ends.values()), list(labels.values()), nth(0), "bars")]
        if survived:
            names = [f"{name} (survived)" for name in survived]
            series.append(
                Series("survived, or not caused by a trial", list(survived.values()), names, nth(1), "bars")
            )
        chart = XYChart(
            Axis("number", low=0),
            Axis("", "category", reverse=True, categories=tuple(order)),
            tuple(each for each in series if each.x),
            sideways=True,
            height=max(0.5, 0.25 + 0.1 * len(order)),
        )
        counted = wording.counted({labels[cause]: count for cause, count in ends.items()})
        text = f"Ended early: {counted or 'none'}."
        if survived:
            text += f" Failures during the search: {wording.counted(survived)}."
        plot = Plot("failures", "Causes", f"Bars by cause. {text}", (chart,), table=_table(context, labels))
        return Findings(data={"ended": ends, "survived": dict(survived)}, texts=(text,), plots=(plot,))


def _table(context: Context, labels: dict[str, str]) -> Table:
    rows = []
    for cause, label in labels.items():
        trials = [trial for trial in context.trials if context.cause(trial) == cause]
        example = trials[0]
        reason = example.finished.reason if example.finished else ""
        rows.append((label, str(len(trials)), f"trial {example.number}: {_cut(reason)}"))
    counts = Counter(failure.failure_class for failure in context.state.failures)
    examples = {failure.failure_class: failure for failure in reversed(context.state.failures)}
    rows += [
        (f"{name} (survived)", str(count), _cut(examples[name].message)) for name, count in counts.items()
    ]
    return Table(("cause", "number", "example"), tuple(rows), "Causes, each with its first example.")


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
