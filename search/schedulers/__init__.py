"""Schedulers: which trials continue at a rung. Importing this imports neither Ray nor torch."""

from search.config.schema import SearchConfig
from search.schedulers import asha, moasha, none  # noqa: F401  (registers)
from search.schedulers.base import SCHEDULERS, Promotion, Scheduler, SchedulerSpec, Verdict

__all__ = ["SCHEDULERS", "Promotion", "Scheduler", "SchedulerSpec", "Verdict", "make_scheduler"]


def make_scheduler(config: SearchConfig) -> Scheduler:
    """The configured scheduler, with nothing reported yet.

    Raises:
        KeyError: No scheduler has that name.
    """
    return SCHEDULERS[config.scheduler.name].make(config)
