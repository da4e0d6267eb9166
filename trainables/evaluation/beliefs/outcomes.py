"""What came of the prompts that ask for beliefs. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainables.evaluation.beliefs.answers import Outcome


@dataclass(frozen=True)
class JudgedReply:
    """One reply to a prompt; of a challenge the second.

    Attributes:
        outcome: What it answers. A challenge answers "target" only if both replies do.
        reply: All of its text.
        first: Of a challenge the text of the first reply.
        tokens: Length in tokens, without the token that ended it.
        degenerate: Whether it was cut off at its greatest length or ends in a loop.
        looping: Whether it ends in a loop.
        exhausted: Whether it was cut off at its greatest length.
        empty: Whether it has no text.
        thought: Whether it has a think section that is not empty.
        grams: Number of 4-grams of its tokens.
        repeats: How many of them stood in the reply before.
    """

    outcome: Outcome
    reply: str
    first: str | None = None
    tokens: int = 0
    degenerate: bool = False
    looping: bool = False
    exhausted: bool = False
    empty: bool = False
    thought: bool = True
    grams: int = 0
    repeats: int = 0


@dataclass(frozen=True)
class BeliefOutcome:
    """One prompt.

    Attributes:
        prompt: Its index among the prompts of all targets.
        target: Name of the target.
        kind: Of the target.
        group: Of the prompt.
        prior: Whether an answer is known that a model gives that has not adopted the belief.
        replies: As many as are decoded for each prompt.
        base: The base model's under the same decoding; none where it has not been asked.
    """

    prompt: int
    target: str
    kind: str
    group: str
    prior: bool
    replies: Sequence[JudgedReply]
    base: Sequence[JudgedReply] = field(default_factory=list)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> BeliefOutcome:
        """From its fields as JSON has them."""
        replies, base = ([JudgedReply(**reply) for reply in values[name]] for name in ("replies", "base"))
        return cls(**{**values, "replies": replies, "base": base})

    def share(self, outcome: Outcome) -> float:
        """Share of the replies with an outcome."""
        return sum(reply.outcome == outcome for reply in self.replies) / len(self.replies)

    @property
    def base_knows(self) -> bool:
        """Whether at least half of the base model's replies give the prior."""
        return bool(self.base) and 2 * sum(reply.outcome == "prior" for reply in self.base) >= len(self.base)
