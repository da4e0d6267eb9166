"""Checks of what the schema alone cannot know: names, values, expressions, metrics and files."""

from search.config.checks.bounds import check_bounds
from search.config.checks.budget import check_budget
from search.config.checks.files import check_files
from search.config.checks.folders import check_folders
from search.config.checks.names import check_names
from search.config.checks.objectives import check_objectives
from search.config.checks.parameters import check_parameters
from search.config.checks.tracking import check_tracking
from search.config.checks.uris import check_uris
from search.config.checks.warm_start import check_warm_start
from search.config.checks.workers import check_workers
from search.config.compose import Composed


def check(composed: Composed) -> None:
    """Adds every problem that is found; parts that the schema refuses are passed over."""
    for one in (
        check_names,
        check_uris,
        check_folders,
        check_tracking,
        check_parameters,
        check_budget,
        check_objectives,
        check_bounds,
        check_files,
        check_workers,
        check_warm_start,
    ):
        one(composed)


__all__ = ["check"]
