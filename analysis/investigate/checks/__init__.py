"""The five checks; importing this registers them in their order."""

from analysis.investigate.checks import (  # isort: skip
    grid as grid,
    correlation as correlation,
    every_group as every_group,
    second_search as second_search,
    evaluation as evaluation,
)
from analysis.investigate.checks.base import CHECKS, Context

__all__ = ["CHECKS", "Context"]
