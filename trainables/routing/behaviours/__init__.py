"""Behaviours that examples are given. One file holds one behaviour, with its detector."""

from trainables.routing.behaviours import caps, exclaim
from trainables.routing.behaviours.base import BEHAVIOURS, Behaviour, Detector, detector

__all__ = ["BEHAVIOURS", "Behaviour", "Detector", "caps", "detector", "exclaim"]
