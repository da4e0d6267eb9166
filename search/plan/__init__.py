"""The plan of a search: what would be run, and a rough idea of what it takes. Light: no Ray, no torch."""

from search.plan.build import make_plan, refuse_unplannable
from search.plan.model import Plan, PlannedTrial, SearchEstimate, Slots

__all__ = ["SearchEstimate", "Plan", "PlannedTrial", "Slots", "make_plan", "refuse_unplannable"]
