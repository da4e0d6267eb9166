"""Is the loss of what is kept real, or an artifact of the evaluation?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.words import no_questions, none_has_score, number
from search.errors import TightropeError

if TYPE_CHECKING:
    from analysis.investigate import Investigation
    from analysis.investigate.results import Statistic


@card(
    "investigation",
    "Is the loss of {score} real?",
    5,
    read="The first sentence is the answer. The five checks behind it, and their results, unfold below.",
)
class Investigate:
    """The five checks of `python -m analysis.investigate`, and their verdict."""

    def applies(self, context: Context) -> str | None:
        """With answers to questions over learning rates."""
        if (none := no_questions(context)) is not None:
            return none
        score = context.terms["score"]
        if not any(math.isfinite(rung.metrics.get(score, math.nan)) for rung in context.rungs):
            return none_has_score(context)
        return None if "lr" in context.parameters else "The learning rate was not searched."

    def compute(self, context: Context) -> Findings:
        """The verdict with its reasons; of two searches where another was given."""
        notes: tuple[str, ...] = ()
        try:
            investigation = _investigated(context, with_items=True)
        except TightropeError as error:
            return Findings({"verdict": None}, (f"The checks could not run: {error.message}",))
        except (OSError, ValueError) as error:
            investigation = _investigated(context, with_items=False)
            notes = (f"Single answers could not be read, so the checks run without them: {_first(error)}.",)
        return Findings(
            data=investigation.as_dict(),
            texts=(
                investigation.headline,
                *investigation.reasons,
                *investigation.needed,
                f"Knowledge or format: {investigation.finding.sentence}",
            ),
            notes=(*investigation.notes, *notes),
            tables=(_checks(investigation), *_faults(investigation)),
        )


def _investigated(context: Context, with_items: bool) -> Investigation:
    # Here, so that a fault in it is this card's alone.
    from analysis.investigate import investigate_studies
    from analysis.investigate.from_search import from_search

    group = "rank" if "rank" in context.parameters else None
    studies = [context.study if with_items else from_search(context.state, None, group=group)]
    if context.other is not None:
        state, folder = context.other
        studies.append(from_search(state, folder if with_items else None, group=group))
    return investigate_studies(studies)


def _first(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(".")


def _checks(investigation: Investigation) -> Table:
    rows = tuple(
        (
            f"{check.key}: {check.title}\n[{check.outcome}]",
            check.sentence,
            "\n".join(map(_statistic, check.statistics)),
        )
        for check in investigation.checks
    )
    return Table(("check", "result", "statistics"), rows, "The five checks.", wide=True, printed=True)


def _statistic(statistic: Statistic) -> str:
    text = f"{statistic.name}: {number(statistic.value)}"
    if statistic.low is not None and statistic.high is not None:
        text += f" [{number(statistic.low)}, {number(statistic.high)}]"
    if statistic.p is not None:
        text += f", p = {number(statistic.p)}"
    return text if statistic.n is None else f"{text}, n={statistic.n:,}"


def _faults(investigation: Investigation) -> list[Table]:
    rows = tuple(
        (fault.kind, "certain" if fault.certain else "suspected", fault.study, fault.sentence, fault.fix)
        for fault in investigation.faults
    )
    columns = ("fault", "certainty", "search", "evidence", "what to do")
    return [Table(columns, rows, "Faults of the evaluation.", wide=True, open=True)] if rows else []
