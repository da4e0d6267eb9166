"""Check e: was the evaluation at fault?"""

from __future__ import annotations

from analysis.investigate.checks.base import CHECKS, Context
from analysis.investigate.faults.base import DETECTORS
from analysis.investigate.results import Check, Statistic

TITLE = "No fault in the evaluation"


@CHECKS.register("e", "was the evaluation at fault")
def evaluation_is_sound(context: Context) -> Check:
    """Passes where no detector found anything, not even a suspicion."""
    statistics = tuple(
        Statistic(
            f"{kind}: trials concerned",
            len({(f.study, case) for f in context.faults if f.kind == kind for case in f.cases}),
            line,
        )
        for kind, line in DETECTORS.lines().items()
    )
    if not context.faults:
        looked = ", ".join(kind for kind in DETECTORS)
        return Check("e", TITLE, "pass", f"No sign of any was found ({looked}).", statistics)
    certain = [fault for fault in context.faults if fault.certain]
    kinds = ", ".join(dict.fromkeys(fault.kind for fault in certain or context.faults))
    sentence = f"Found: {kinds}." if certain else f"Suspected, not certain: {kinds}."
    details = tuple(f"{fault.study}: {fault.sentence} {fault.fix}" for fault in context.faults)
    return Check("e", TITLE, "fail", sentence, statistics, (), details)
