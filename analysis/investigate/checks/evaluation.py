"""Check e: was the evaluation at fault?"""

from __future__ import annotations

from analysis.investigate.checks.base import CHECKS, Context
from analysis.investigate.faults import DATA, DETECTORS, conditions, looked_for
from analysis.investigate.results import Check, Statistic

TITLE = "No fault in the evaluation"


@CHECKS.register("e", "was the evaluation at fault")
def evaluation_is_sound(context: Context) -> Check:
    """Passes where no detector that had data found anything, not even a suspicion.

    Not applicable where none had: that there is a base model is no evidence of its own.
    """
    studies = (context.study, *context.others)
    known = {kind for study in studies for kind in looked_for(study)} | {f.kind for f in context.faults}
    looked = [kind for kind in DETECTORS if kind in known]
    statistics = tuple(
        Statistic(
            f"{kind}: trials concerned",
            len({(f.study, case) for f in context.faults if f.kind == kind for case in f.cases}),
            DETECTORS.lines()[kind],
        )
        for kind in looked
    )
    coverage = _coverage(looked)
    if not context.faults and set(looked) <= {conditions.KIND}:
        return Check("e", TITLE, "not applicable", f"There are no data that would show one. {coverage}")
    if not context.faults:
        return Check("e", TITLE, "pass", f"No detector reports one. {coverage}", statistics)
    certain = [fault for fault in context.faults if fault.certain]
    kinds = ", ".join(dict.fromkeys(fault.kind for fault in certain or context.faults))
    sentence = f"Detected: {kinds}." if certain else f"Suspected, not certain: {kinds}."
    details = tuple(f"{fault.study}: {fault.sentence} {fault.fix}" for fault in context.faults)
    return Check("e", TITLE, "fail", f"{sentence} {coverage}", statistics, (), details)


def _coverage(looked: list[str]) -> str:
    """What was looked for, and what could not be and why."""
    needs = DATA.lines()
    unseen = [f"{kind} (needs {needs[kind]})" for kind in DETECTORS if kind not in looked]
    text = f"Checked: {', '.join(looked)}."
    return f"{text} Could not be checked: {'; '.join(unseen)}." if unseen else text
