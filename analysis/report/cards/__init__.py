"""The cards of the report; importing this registers them."""

from analysis.report.card import CARDS, Registered
from analysis.report.cards import (  # noqa: F401
    change,
    comparison,
    curves,
    environment,
    failures,
    heatmaps,
    hypotheses,
    importance,
    investigation,
    knowledge,
    late,
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
    vocabulary,
)


def cards() -> list[Registered]:
    """All cards, in the order of the report."""
    return sorted((CARDS[name] for name in CARDS), key=lambda card: (card.order, card.name))
