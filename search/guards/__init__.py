"""Guards: end trials that are breaking the model, whatever the scheduler says."""

from search.config.schema import SearchConfig
from search.guards import degeneration, mode_collapse, retention  # noqa: F401  (they register themselves)
from search.guards.base import GUARDS, Guard

__all__ = ["GUARDS", "Guard", "idle_guards", "make_guards"]


def make_guards(config: SearchConfig) -> dict[str, Guard]:
    """The guards that are switched on, by name; they are checked in this order."""
    settings = {name: getattr(config.guards, name) for name in GUARDS}
    made = {name: GUARDS[name](config, given) for name, given in settings.items() if given is not None}
    return {name: guard for name, guard in made.items() if guard is not None}


def idle_guards(config: SearchConfig) -> list[str]:
    """Names of guards that are switched on and have nothing to guard in this search."""
    made = make_guards(config)
    return [name for name in GUARDS if getattr(config.guards, name) is not None and name not in made]
