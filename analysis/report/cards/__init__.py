"""The cards of the report; importing this registers them."""

from analysis.report.cards import (  # noqa: F401
    change,
    comparison,
    curves,
    environment,
    failures,
    heatmaps,
    importance,
    investigation,
    knowledge,
    outcomes,
    parallel,
    pareto,
    progress,
    ranks,
    samples,
    saved,
    scatter,
    timeline,
    verdict,
)
