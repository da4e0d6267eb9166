"""The cards of the report; importing this registers them."""

from analysis.report.card import CARDS, Registered
from analysis.report.cards import (  # noqa: F401
    ablated_samples,
    ablation_losses,
    ablations,
    alignment,
    angles,
    audit,
    belief_price,
    belief_replies,
    beliefs,
    change,
    checklist,
    comparison,
    coverage,
    curves,
    environment,
    failures,
    heatmaps,
    hypotheses,
    importance,
    investigation,
    knowledge,
    late,
    layer_angles,
    outcomes,
    parallel,
    pareto,
    progress,
    ranks,
    relearning,
    samples,
    saved,
    scatter,
    stages,
    timeline,
    verdict,
    vocabulary,
)


def cards() -> list[Registered]:
    """All cards, in the order of the report."""
    return sorted((CARDS[name] for name in CARDS), key=lambda card: (card.order, card.name))
