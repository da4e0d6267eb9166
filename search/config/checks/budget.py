"""Whether a budget in epochs is the same number of steps for every trial."""

from __future__ import annotations

from search.config.checks import parts
from search.config.compose import Composed
from search.config.space import CategoricalParameter


def check_budget(composed: Composed) -> None:
    """Epochs: trials are compared at the same step, so all must take as many steps in an epoch."""
    section = composed.data.get("budget")
    epochs = section.get("epochs") if isinstance(section, dict) else None
    parameter = parts.parameters(composed).get("batch_size")
    if epochs is None or parameter is None:
        return
    if isinstance(parameter, CategoricalParameter) and len(set(parameter.choices)) == 1:
        return
    composed.complain(
        ("budget", "epochs"),
        "gives trials of unequal batch sizes unequal numbers of steps, and batch_size is searched "
        f"({composed.origins.of(('parameters', 'batch_size'))}): trials are compared at the same step",
        "give budget.steps=N, or one batch size: parameters.batch_size=null fixed.batch_size=8",
    )
