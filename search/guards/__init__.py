"""Guards: end trials that are breaking the model, whatever the scheduler says."""

from search.config.schema import SearchConfig
from search.guards import degeneration, retention  # noqa: F401  (they register themselves)
from search.guards.base import GUARDS, Guard

__all__ = ["GUARDS", "Guard", "make_guards"]


def make_guards(config: SearchConfig) -> dict[str, Guard]:
    """The guards that are switched on, by name; they are checked in this order."""
    made = {name: GUARDS[name](config) for name in GUARDS}
    return {name: guard for name, guard in made.items() if guard is not None}
