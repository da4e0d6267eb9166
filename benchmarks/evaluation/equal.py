"""Whether two ways of evaluating say the same, where rounding may decide between two tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Tokens = Sequence[int]


@dataclass(frozen=True)
class Difference:
    """The first token at which two replies differ.

    Attributes:
        adapter: Whose replies they are.
        prompt: To which prompt.
        place: Number of tokens before it, which are the same.
        ours: Our token; None where our reply has ended.
        theirs: The other one; likewise.
    """

    adapter: int
    prompt: int
    place: int
    ours: int | None
    theirs: int | None


def differences(ours: Sequence[Sequence[Tokens]], theirs: Sequence[Sequence[Tokens]]) -> list[Difference]:
    """The first difference of each pair of replies that are not equal, by adapter and prompt.

    After it the texts are not the same any more, and nothing follows from what comes next.

    Raises:
        ValueError: They are not replies of as many adapters to as many prompts.
    """
    different = []
    for adapter, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        for prompt, pair in enumerate(zip(own, other, strict=True)):
            place = _agreeing(*pair)
            if place < max(map(len, pair)):
                tokens = [reply[place] if place < len(reply) else None for reply in pair]
                different.append(Difference(adapter, prompt, place, *tokens))
    return different


def _agreeing(left: Tokens, right: Tokens) -> int:
    """How many of their first tokens are the same."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))


@dataclass(frozen=True)
class Verdict:
    """What became of all replies.

    Attributes:
        replies: How many were compared.
        differing: How many differ anywhere.
        ties: How many of these do so where the logits of both tokens are closer than `within`.
        largest_gap: Between the logits of two tokens that differ; infinite where one reply had ended.
        within: See `ties`.
    """

    replies: int
    differing: int
    ties: int
    largest_gap: float
    within: float

    @property
    def equal(self) -> bool:
        """Whether nothing but rounding differs."""
        return self.differing == self.ties


def judge(
    ours: Sequence[Sequence[Tokens]],
    theirs: Sequence[Sequence[Tokens]],
    gap: Callable[[Difference], float],
    within: float,
) -> Verdict:
    """Compares replies token by token, up to the first difference.

    Args:
        ours: For each adapter and prompt a reply.
        theirs: Likewise.
        gap: Distance of the logits of the two tokens of a difference, both of which are there.
        within: Distance up to which rounding may decide between two tokens.
    """
    different = differences(ours, theirs)
    gaps = [float("inf") if None in (each.ours, each.theirs) else gap(each) for each in different]
    replies = sum(len(own) for own in ours)
    ties = sum(each <= within for each in gaps)
    return Verdict(replies, len(different), ties, max(gaps, default=0.0), within)
