"""MLflow, as a projection of the record that a process of its own writes."""

from search.redact import redact
from search.tracking.process import Tracker
from search.tracking.ui import ui_command

__all__ = ["Tracker", "redact", "ui_command"]
