"""The names nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 60
"""A longer word is no typing error, and the distance takes time that grows with the square of its length."""


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
    """The names with the fewest edits from `word`, ignoring case; empty where all are far from it.

    One edit is always near; more are near only in longer words. Failing that, a name that `word`
    abbreviates or extends is near. Nothing is near a word of more than 60 characters.
    """
    if len(word) > _LONGEST:
        return []
    known, most = set(names), max(1, len(word) // 3)
    # Words need at least as many edits as their lengths differ: most names are ruled out by that alone.
    alike = _rank(word, (name for name in known if abs(len(name) - len(word)) <= most))
    if alike and alike[0][0] <= most:
        return [name for edits, name in alike if edits == alike[0][0]]
    if len(word) < 3:
        return []
    parts = _rank(word, (name for name in known if word in name or (len(name) >= 3 and name in word)))
    return [name for _, name in parts][:3]


def _rank(word: str, names: Iterable[str]) -> list[tuple[int, str]]:
    return sorted((distance(word.lower(), name.lower()), name) for name in names)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A hint: the nearest names, or all there are where none is near."""
    known = list(dict.fromkeys(names))
    near = nearest(word, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(known)}" if known else "there are none"
