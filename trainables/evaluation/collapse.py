"""Mode collapse: whether a model still says different things to different inputs. Light: no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

UNIQUE = "unique_replies"
COMMONEST = "commonest_reply"
LATENT_COSINE = "latent_cosine"
FIRST_ENTROPY = "first_token_entropy"
"""Metrics of mode collapse, by which any trainable may be guarded."""

MOST_ALIKE = 0.95
"""Cosine between the latents of different inputs above which they are the same for the model."""

MOST_ENTROPY = 7.0
"""Entropy of a reply's first token, in nats, above which it says nothing."""


def first_occurrences(replies: Sequence[str]) -> list[bool]:
    """Of each reply whether no earlier one is the same; their share is that of unique replies."""
    seen: set[str] = set()
    return [not (reply in seen or seen.add(reply)) for reply in replies]  # type: ignore[func-returns-value]


def are_commonest(replies: Sequence[str]) -> list[bool]:
    """Of each reply whether it is the commonest one; of equally common ones, the first."""
    if not replies:
        return []
    ((commonest, _),) = Counter(replies).most_common(1)
    return [reply == commonest for reply in replies]
