"""The plan of a search: what would be run, and a rough idea of what it takes. Light: no Ray, no torch."""

from search.plan.build import make_plan
from search.plan.model import Estimate, Plan, PlannedTrial, Slots

__all__ = ["Estimate", "Plan", "PlannedTrial", "Slots", "make_plan"]
