"""Is the loss of capability real, or an artifact of the evaluation?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.words import number
from search.errors import TightropeError

if TYPE_CHECKING:
    from analysis.investigate import Investigation
    from analysis.investigate.results import Statistic


@card(
    "investigation",
    "Is the loss of capability real?",
    5,
    read="The first sentence is the answer. The five checks behind it, and what they found, unfold below.",
)
class Investigate:
    """The five checks of `python -m analysis.investigate`, and their verdict."""

    def applies(self, context: Context) -> str | None:
        """With a capability measured over learning rates."""
        if not any(math.isfinite(rung.metrics.get("capability", math.nan)) for rung in context.rungs):
            return "No trial has a capability measured."
        return None if "lr" in context.parameters else "The learning rate was not searched."

    def compute(self, context: Context) -> Findings:
        """The verdict with its reasons; of two searches where another was given."""
        notes: tuple[str, ...] = ()
        try:
            found = _investigated(context, with_items=True)
        except TightropeError as error:
            return Findings({"verdict": None}, (f"The checks could not be made: {error.message}",))
        except (OSError, ValueError) as error:
            found = _investigated(context, with_items=False)
            notes = (f"Single answers could not be read, and the checks do without them: {_first(error)}.",)
        return Findings(
            data=found.as_dict(),
            texts=(
                found.headline,
                *found.reasons,
                *found.needed,
                f"Knowledge or format: {found.finding.sentence}",
            ),
            notes=(*found.notes, *notes),
            tables=(_checks(found), *_faults(found)),
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


def _checks(found: Investigation) -> Table:
    rows = tuple(
        (f"{one.key}: {one.title}\n[{one.outcome}]", one.sentence, "\n".join(map(_statistic, one.statistics)))
        for one in found.checks
    )
    return Table(("check", "what was found", "statistics"), rows, "The five checks.", wide=True, printed=True)


def _statistic(own: Statistic) -> str:
    text = f"{own.name}: {number(own.value)}"
    if own.low is not None and own.high is not None:
        text += f" [{number(own.low)}, {number(own.high)}]"
    if own.p is not None:
        text += f", p = {number(own.p)}"
    return text if own.n is None else f"{text}, n={own.n:,}"


def _faults(found: Investigation) -> list[Table]:
    rows = tuple(
        (one.kind, "certain" if one.certain else "suspected", one.study, one.sentence, one.fix)
        for one in found.faults
    )
    columns = ("fault", "how sure", "search", "evidence", "what to do")
    return [Table(columns, rows, "Faults of the evaluation.", wide=True, open=True)] if rows else []
