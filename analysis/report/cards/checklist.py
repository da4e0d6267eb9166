"""How training went: the checklist of the recommended trial, and how many trials pass each check."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.checklist.check import CHECKS, Verdict
from analysis.checklist.run import Checklist, count, examine
from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context
from analysis.report.words import MOST_ROWS, cut
from search import wording


@card(
    "checklist",
    "Did training go well?",
    62,
    read=(
        "Each check is answered with pass, fail or cannot tell, from the trial's own curve and "
        "measurements; the numbers stand beside it."
    ),
)
class ChecklistCard:
    """The checks of `analysis.checklist`."""

    def applies(self, context: Context) -> str | None:
        """With a rung reached."""
        return None if any(trial.rungs for trial in context.trials) else "No trial has reached a rung."

    def compute(self, context: Context) -> Findings:
        """The recommended trial's answers, or the counts alone; a table of the trials that failed some."""
        checklists = [examine(context, trial) for trial in context.trials]
        counts = count(checklists)
        chosen = next((each for each in checklists if each.trial == context.recommended), None)
        failing = [each for each in checklists if each.failed]
        data = {
            "counts": counts,
            "recommended": None if chosen is None else chosen.plain(),
            "failed": {str(each.trial): each.failed for each in failing},
        }
        tables = [_answers(chosen)] if chosen is not None else []
        tables.append(_counts(counts))
        tables += [_failing(failing)] if failing else []
        return Findings(
            data=data,
            texts=(_sentence(chosen, failing, len(checklists)),),
            notes=(
                "A point of the curve is the mean of the steps since the one before: a spike that is "
                "shorter is averaged away.",
            ),
            tables=tuple(tables),
        )


def _sentence(chosen: Checklist | None, failing: list[Checklist], total: int) -> str:
    of_all = f"{len(failing):,} of {wording.plural(total, 'trial')} fail at least one check."
    if chosen is None:
        return f"There is no recommended trial. {of_all}"
    passed = sum(answer.verdict == "pass" for answer in chosen.answers.values())
    text = f"The recommended trial {chosen.trial} passes {passed} of {len(chosen.answers)} checks"
    failed = [CHECKS[name].question for name in chosen.failed]
    return f"{text}{'; it fails: ' + ' '.join(failed) if failed else '.'} {of_all}"


def _answers(chosen: Checklist) -> Table:
    rows = tuple(
        (CHECKS[name].question, answer.verdict, answer.text) for name, answer in chosen.answers.items()
    )
    caption = f"Trial {chosen.trial}, the recommended one."
    return Table(("check", "verdict", "numbers"), rows, caption, open=True)


def _counts(counts: Mapping[str, Mapping[Verdict, int]]) -> Table:
    rows = tuple(
        (CHECKS[name].question, *(f"{number:,}" for number in verdicts.values()))
        for name, verdicts in counts.items()
    )
    return Table(("check", "pass", "fail", "cannot tell"), rows, "Trials by verdict; no repetitions.")


def _failing(failing: list[Checklist]) -> Table:
    rows = tuple(
        (f"{each.trial}", CHECKS[name].question, each.answers[name].text)
        for each in failing[:MOST_ROWS]
        for name in each.failed
    )
    caption = f"What trials failed.{cut(len(failing))}"
    return Table(("trial", "check", "numbers"), rows, caption)
