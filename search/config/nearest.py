"""The nearest right name to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 60
"""Longer words are no slips of the pen, and the distance takes time with the square of the length."""


def distance(left: str, right: str) -> int:
    """Edits between two words: insertions, deletions, substitutions and swaps of neighbours.

    The optimal string alignment distance (Damerau, 1964, doi:10.1145/363958.363994).
    """
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        current = [i]
        for j, b in enumerate(right, start=1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """The names with the fewest edits from `word`, and none where all are far from it.

    One edit is always near, more only in longer words. Failing that, a name that `word`
    abbreviates or extends counts as near.
    Nothing is near to a word of more than 60 characters.
    """
    if len(word) > _LONGEST:
        return []
    ranked = sorted((distance(word.lower(), name.lower()), name) for name in set(names))
    if ranked and ranked[0][0] <= max(1, len(word) // 3):
        return [name for edits, name in ranked if edits == ranked[0][0]]
    if len(word) < 3:
        return []
    return [name for _, name in ranked if word in name or (len(name) >= 3 and name in word)][:3]


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A hint: the nearest names, or all there are where none is near."""
    known = list(dict.fromkeys(names))
    near = nearest(word, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(known)}" if known else "there are none"
