"""Divides the examples of an optimizer step into passes: as few tokens of padding as passes are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Lengths = Sequence[Sequence[int]]
"""Of every trial the lengths of its rows, longest first; a row is an example, or several that share one."""

_BOUNDARIES = 16
"""Pieces that a batch is divided into, if nothing asks for more: the search is quadratic in them."""

_WINDOW = 4096
"""With so many pairs of places at most, every place is looked at."""


@dataclass(frozen=True)
class Pass:
    """Some rows of some trials, run together.

    Attributes:
        first: The first trial.
        spans: Of each trial from there on, the half-open range of its rows (longest first). One that has none
            is there for the sake of those behind it.
    """

    first: int
    spans: tuple[tuple[int, int], ...]

    @property
    def counts(self) -> list[int]:
        """Rows of each trial."""
        return [stop - start for start, stop in self.spans]

    def width(self, lengths: Lengths) -> int:
        """Length that its rows are padded to."""
        spans = enumerate(self.spans, start=self.first)
        return max(lengths[trial][start] for trial, (start, stop) in spans if start < stop)


def plan_passes(
    lengths: Lengths, most_tokens: int | None, most_examples: int | None, pass_cost: int
) -> list[Pass]:
    """A division that costs little, at `pass_cost` for each pass and 1 for each token of it.

    Every trial's examples are cut at the same places, so that examples of like length run together, and
    a pass that is too large is divided among its trials, as many as fit in a row. Of all such divisions
    this is the cheapest, or for large batches the cheapest with pieces of equal size.

    Args:
        lengths: See `Lengths`; no trial is without examples.
        most_tokens: Tokens of a pass, at most, padding included; a single example may exceed it.
        most_examples: Examples of one trial in a pass, at most.
        pass_cost: What a pass costs beside its tokens, in tokens.
    """
    most = max(len(each) for each in lengths)
    whole = _cut(lengths, 0, most, most_tokens)
    fits = len(whole) == 1 and (most_tokens is None or not _oversized(whole, lengths, most_tokens))
    fits = fits and (most_examples is None or most <= most_examples)
    if fits and _padding(whole[0], lengths) <= pass_cost:
        return whole  # a second pass costs more than all the padding
    places = _places(lengths, most_tokens, most_examples)
    # best[i]: least cost of all examples before places[i], and the passes that have it.
    best: list[tuple[int, list[Pass]]] = [(0, [])]
    for end in range(1, len(places)):
        options = []
        for begin in reversed(range(end)):
            start, stop = places[begin], places[end]
            passes = _cut(lengths, start, stop, most_tokens)
            if begin < end - 1 and (
                (most_examples is not None and stop - start > most_examples)
                or (most_tokens is not None and _oversized(passes, lengths, most_tokens))
            ):
                break  # a longer piece would be larger still
            cost = sum(pass_cost + sum(each.counts) * each.width(lengths) for each in passes)
            options.append((best[begin][0] + cost, begin, passes))
        cost, begin, passes = min(options, key=lambda option: option[0])
        best.append((cost, best[begin][1] + passes))
    return best[-1][1]


def _places(lengths: Lengths, most_tokens: int | None, most_examples: int | None) -> list[int]:
    """Where batches may be cut; the examples between two places always fit a pass, or are one example."""
    most = max(len(each) for each in lengths)
    step = -(-most // _BOUNDARIES)
    if most_examples is not None:
        step = 1 if most * most_examples <= _WINDOW else min(step, most_examples)
    if most_tokens is not None:
        step = min(step, max(1, most_tokens // max(each[0] for each in lengths)))
    return [*range(0, most, step), most]


def _cut(lengths: Lengths, start: int, stop: int, most_tokens: int | None) -> list[Pass]:
    """Examples `start` to `stop` of every trial that has any, in as few passes as fit."""
    passes: list[Pass] = []
    spans: list[tuple[int, int]] = []
    first, width = 0, 0
    for trial, each in enumerate(lengths):
        span = (min(start, len(each)), min(stop, len(each)))
        if span[0] == span[1]:
            spans += [span] if spans else []
            continue
        rows = sum(end - begin for begin, end in spans) + span[1] - span[0]
        if spans and most_tokens is not None and rows * max(width, each[start]) > most_tokens:
            passes.append(_pass(first, spans))
            spans = []
        if not spans:
            first, width = trial, 0
        spans.append(span)
        width = max(width, each[start])
    return [*passes, _pass(first, spans)]


def _pass(first: int, spans: Sequence[tuple[int, int]]) -> Pass:
    """A pass that ends with the last trial that has any example in it."""
    last = max(index for index, (start, stop) in enumerate(spans) if start < stop)
    return Pass(first, tuple(spans[: last + 1]))


def _oversized(passes: Sequence[Pass], lengths: Lengths, most_tokens: int) -> bool:
    return any(sum(each.counts) * each.width(lengths) > most_tokens for each in passes)


def _padding(part: Pass, lengths: Lengths) -> int:
    real = sum(sum(lengths[part.first + index][start:stop]) for index, (start, stop) in enumerate(part.spans))
    return sum(part.counts) * part.width(lengths) - real
