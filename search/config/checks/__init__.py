"""Checks of what the schema alone cannot know: names, values, expressions, metrics and files."""

from search.config.checks.audit import check_audit
from search.config.checks.budget import check_budget, check_workers
from search.config.checks.code import check_code
from search.config.checks.files import check_files
from search.config.checks.hypotheses import check_hypotheses
from search.config.checks.names import check_names
from search.config.checks.objectives import check_bounds, check_objectives
from search.config.checks.parameters import check_parameters
from search.config.checks.places import check_folders, check_tracking, check_uris, check_warm_start
from search.config.checks.prior import check_prior
from search.config.checks.skills import check_skills
from search.config.checks.trainable import check_options
from search.config.composed import Composed

_CHECKS = (
    check_code,
    check_names,
    check_uris,
    check_folders,
    check_tracking,
    check_parameters,
    check_budget,
    check_prior,
    check_objectives,
    check_skills,
    check_bounds,
    check_hypotheses,
    check_files,
    check_options,
    check_workers,
    check_warm_start,
    check_audit,
)


def check(composed: Composed) -> None:
    """Adds every problem that is found; parts that the schema refuses are passed over."""
    for check_part in _CHECKS:
        check_part(composed)


__all__ = ["check"]
