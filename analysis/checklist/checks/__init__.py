"""The checks, in the order in which they are shown; importing this registers them."""

from analysis.checklist.checks import falls, spikes, overshoot, data, stages, coverage, base  # noqa: F401, I001
