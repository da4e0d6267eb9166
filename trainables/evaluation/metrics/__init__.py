"""The metrics of an evaluation, registered by name."""

# In the order in which they are reported.
from trainables.evaluation.metrics import losses, skills, replies, beliefs, own  # noqa: I001
from trainables.evaluation.metrics.base import (
    METRICS,
    Asked,
    AskedSkill,
    MetricEstimate,
    Metric,
    metric_names,
)

__all__ = [
    "METRICS",
    "Asked",
    "AskedSkill",
    "MetricEstimate",
    "Metric",
    "beliefs",
    "losses",
    "metric_names",
    "own",
    "replies",
    "skills",
]
