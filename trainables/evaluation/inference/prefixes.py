"""What prompts have in common at their beginning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

HEAD_TOKENS = 128
"""Tokens that a pass over what prompts have in common must spare, so that it costs less than they do."""

OWN_HEAD_TOKENS = 512
"""Tokens that some prompts must spare by what they alone have in common, to leave the batches of the rest."""

OWN_HEAD_LENGTH = 16
"""How much longer that must be than what they have in common with the rest."""


class Head(NamedTuple):
    """Prompts that are run together, by index, and how many tokens they all begin with; 0 if too few."""

    tokens: int
    prompts: list[int]


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Number of tokens that all prompts begin with and that are the whole of none."""
    ids = [list(prompt) for prompt in prompts]
    first, last = min(ids), max(ids)
    most = min(len(prompt) for prompt in ids) - 1
    return next((place for place in range(most) if first[place] != last[place]), most)


def heads(prompts: Sequence[Sequence[int]], copies: int) -> list[Head]:
    """Parts prompts by what they begin with: a system message, the examples of a few-shot prompt.

    Args:
        prompts: Token ids, none empty.
        copies: Number of adapters, each of which runs all prompts.
    """
    ids = [list(prompt) for prompt in prompts]
    found: list[Head] = []

    def spared(tokens: int, count: int) -> int:
        return tokens * (count - 1) * copies

    def part(members: list[int], shared: int) -> None:
        rest: list[int] = []
        for _, branch in groupby(members, key=lambda index: ids[index][shared]):
            own = list(branch)
            more = shared_prefix([ids[index] for index in own]) - shared
            split = len(own) < len(members) and more >= OWN_HEAD_LENGTH
            if split and spared(more, len(own)) >= OWN_HEAD_TOKENS:
                part(own, shared + more)
            else:
                rest += own
        if rest:
            found.append(Head(shared if spared(shared, len(rest)) >= HEAD_TOKENS else 0, rest))

    if ids:
        part(sorted(range(len(ids)), key=lambda index: ids[index]), shared_prefix(ids))
    return found
