"""What the trainable allows of the worker groups."""

from __future__ import annotations

from search.config.checks import parts
from search.config.compose import Composed


def check_workers(composed: Composed) -> None:
    """Slots: several only where trials can be trained in one pass."""
    spec = parts.trainable(composed)
    section = composed.data.get("workers")
    slots = section.get("slots") if isinstance(section, dict) else None
    # `true` is an int as well, and the schema's business.
    if spec is None or spec.unpacked is None or type(slots) is not int or slots <= 1:
        return
    composed.complain(
        ("workers", "slots"),
        f"is {slots}, and trials of {parts.text(composed, 'trainable')} run one at a time: {spec.unpacked}",
        "write 1, or auto",
    )
