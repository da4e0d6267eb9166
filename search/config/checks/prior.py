"""A prior that is asked for by name."""

from __future__ import annotations

from search.config.composed import Composed
from search.config.prior import prior_problem
from search.config.schema import NO_PRIOR
from trainables.nearest import did_you_mean
from trainables.specs import TRAINABLES


def check_prior(composed: Composed) -> None:
    """Refuses a name that the trainable does not have, and a prior that does not apply."""
    name = composed.data.get("prior")
    if not isinstance(name, str) or name == NO_PRIOR or composed.is_broken(("prior",)):
        return
    prior = TRAINABLES[composed.trainable].prior
    if prior is not None and name != prior.name:
        composed.complain(
            ("prior",), f"there is no prior {name!r}", did_you_mean(name, [prior.name, NO_PRIOR])
        )
    elif problem := prior_problem(composed.trainable, composed.data):
        composed.complain(
            ("prior",), f"{name!r} does not apply: {problem}", f"remove it, or set prior={NO_PRIOR}"
        )
