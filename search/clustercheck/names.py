"""Nearest right name to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def edit_distance(first: str, second: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) that make `first` into `second`.

    The optimal string alignment distance: Damerau (1964) without edits inside a swap.
    """
    previous: list[int] = []
    current = list(range(len(second) + 1))
    for i, left in enumerate(first, start=1):
        before, previous, current = previous, current, [i]
        for j, right in enumerate(second, start=1):
            cost = min(current[j - 1] + 1, previous[j] + 1, previous[j - 1] + (left != right))
            if i > 1 and j > 1 and left == second[j - 2] and right == first[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
    return current[-1]


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Known names closest to `name`, ignoring case; all of them on a tie, none if none is close.

    A name one edit away from a known one always gets that one among its answers.
    """
    distances = {other: edit_distance(name.casefold(), other.casefold()) for other in known}
    if not distances:
        return ()
    least = min(distances.values())
    if least > max(1, len(name) // 3):
        return ()
    return tuple(sorted(other for other, distance in distances.items() if distance == least))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Hint for an unknown name: the nearest right ones, or else all of them."""
    names = sorted(known)
    close = nearest(name, names)
    if close:
        return "did you mean " + " or ".join(f"`{other}`" for other in close) + "?"
    return "known: " + ", ".join(names)
