"""Searches without training: the same conductor, searchers and schedulers over known learning curves."""

from search.simulate.curves import Curves, RecordedCurves
from search.simulate.engine import Simulated, simulate
from search.simulate.proposals import AsRecorded, NearestRecorded

__all__ = ["AsRecorded", "Curves", "NearestRecorded", "RecordedCurves", "Simulated", "simulate"]
