"""How often the interval of a recommended trial holds the truth, and how wide it is.

    python -m benchmarks.coverage [--draws 500] [--only numbers] [--write]

Answers are drawn with a latent normal effect of each item, each seed and each seed on each item; the base
model answers the same items. Retention over them is judged as a search judges it, beside the method before:
Student's interval with the variance between seeds pooled over candidates, widened by the mean interval of a
single run. Likewise for a mean of numbers, such as a change of the loss, whose items have heavy tails:
before, its interval over the items was the normal one. Where candidates differ unequally between seeds, the
one that differs most is looked at; there the method before is a variance between seeds, or of shares its
ratio to that of seeds on items, that is the same for all candidates.
`--write` puts the tables into docs/results/confirmation.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

from benchmarks.page import table, write_section
from search.judging.contrasts import Contrast, contrast
from search.judging.moderated import OF_SHARES
from search.judging.noise import Array, Seeds, Series, residual
from search.judging.paired import Pairs, ratio_of_pairs
from search.judging.repeated import of_series
from search.judging.shrunk import squares_of
from trainables.interval import Interval, Z

SEEDS = (2, 3, 5, 10)
ITEMS = (20, 100, 300, 1000)
DELTAS = (0.0, 0.005, 0.02)
CANDIDATES = (1, 3)
SHARES = {"high": (0.9, 0.88), "middle": (0.9, 0.6)}
"""Of right answers, the base model's and the tuned one's."""
OF_ITEMS, OF_RUNS, SHARED = 2.0, 1.0, 0.8
"""Standard deviations of the latent effects, and the correlation of the items' with the base model's."""
NUMBERS_OF_ITEMS = (8, *ITEMS)
NUMBERS_DELTAS = (0.0, 0.02, 0.1)
TAILS, OF_RUNS_ON_NUMBERS = 3, 0.5
"""Numbers have Student's distribution with these degrees of freedom; so has what a run adds, in this size."""
UNEQUAL = ((0.02, 0.002), (0.02, 0.0), (0.05, 0.0), (0.1, 0.0))
"""Deltas of a candidate, and of two others."""
DEVIATIONS = (1.0, 2.0, 3.0)
"""Of a candidate's losses between seeds, over those of the two others'."""
PAGE = Path("docs/results/confirmation.md")


@dataclass(frozen=True)
class Setting:
    """What is drawn.

    Attributes:
        delta: Variance between seeds over that of seeds on items, both of the share of right answers.
        others: That of the candidates after the first, where it is another; the first alone is then judged.
    """

    retention: str
    delta: float
    candidates: int
    seeds: int
    items: int
    others: float | None = None

    @property
    def judged(self) -> int:
        """Candidates whose intervals count."""
        return self.candidates if self.others is None else 1


@dataclass(frozen=True)
class Cell:
    """How the intervals of a setting did, now and before: share that held the truth, and mean width."""

    setting: Setting
    covered: float
    width: float
    covered_before: float
    width_before: float


@dataclass(frozen=True)
class World:
    """Latent means and the deviation between seeds that give a setting's shares and delta."""

    base: float
    tuned: float
    of_seeds: float
    truth: float


def world(setting: Setting) -> World:
    """The latent scale of a setting; a seed's effect is small beside the others, so that it is linear."""
    base, tuned = SHARES[setting.retention]
    scale = math.hypot(OF_ITEMS, OF_RUNS)
    mean = float(ndtri(tuned)) * scale
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    places = (mean + OF_ITEMS * nodes) / OF_RUNS
    right = ndtr(places)
    slope = float(weights @ np.exp(-(places**2) / 2)) / math.sqrt(2 * math.pi) / OF_RUNS
    of_seeds = math.sqrt(setting.delta * float(weights @ (right * (1 - right)))) / slope
    # A seed's effect widens the latent scale: the mean follows, so that the share stays.
    mean *= math.hypot(scale, of_seeds) / scale
    return World(float(ndtri(base)) * scale, mean, of_seeds, tuned / base)


def worlds(setting: Setting) -> list[World]:
    """That of each candidate."""
    first, others = world(setting), setting
    if setting.others is not None:
        others = replace(setting, delta=setting.others)
    return [first, *[world(others)] * (setting.candidates - 1)]


def draw(random: np.random.Generator, setting: Setting, drawn: Sequence[World]) -> tuple[Array, list[Array]]:
    """The base model's answers, shape (n,), and those of each candidate's runs, shape (k, n)."""
    n, k = setting.items, setting.seeds
    shared = random.normal(size=n)
    apart = math.sqrt(1 - SHARED**2)

    def items() -> Array:
        return OF_ITEMS * (SHARED * shared + apart * random.normal(size=n))

    base = drawn[0].base + items() + OF_RUNS * random.normal(size=n) > 0
    tuned = [
        each.tuned
        + items()
        + each.of_seeds * random.normal(size=(k, 1))
        + OF_RUNS * random.normal(size=(k, n))
        > 0
        for each in drawn
    ]
    return base.astype(float), [each.astype(float) for each in tuned]


def pairs(base: Array, runs: Array) -> Pairs:
    """The counts of `Pairs.over`."""
    share = runs.mean(axis=0)
    both = float(share @ base)
    return Pairs(
        both, float(share.sum()) - both, float(base.sum()) - both, len(base), float(share @ (1 - share))
    )


def retention(base: Array, runs: Array) -> Series:
    """Retention of the runs, as `search.judging.recorded_series` has it."""
    scale = float(base.mean())
    divided, around = (("items", runs / scale),), ratio_of_pairs([pairs(base, runs)])
    return Series(1.0, runs.mean(axis=1) / scale, 0, divided, around=around, unit=1 / scale)


def now(base: Array, candidates: Sequence[Array]) -> list[Contrast]:
    """As a search judges."""
    judged = of_series([retention(base, runs) for runs in candidates])
    return [each for each in judged if each is not None]


def before(base: Array, candidates: Sequence[Array]) -> list[Interval]:
    """As it was judged before: symmetric, by the larger of both reaches."""
    scale = float(base.mean())
    values = [runs.mean(axis=1) / scale for runs in candidates]
    noise = pooled(values)
    intervals = []
    for runs, each in zip(candidates, values, strict=True):
        singles = tuple(ratio_of_pairs([pairs(base, run[None])]) for run in runs)
        low, high = contrast(0.0, [Series(1.0, each, 0, intervals=singles)], seeds=[noise]).interval()
        mean = float(each.mean())
        half = max(mean - low, high - mean)
        intervals.append(Interval(mean - half, mean + half, len(base)))
    return intervals


def pooled(columns: Sequence[Array]) -> Seeds:
    """The variance between seeds, where it is the same for all candidates."""
    freedom = sum(len(column) - 1 for column in columns)
    return Seeds(math.fsum(map(squares_of, columns)) / freedom, freedom, freedom)


def with_one_ratio(base: Array, candidates: Sequence[Array]) -> list[Contrast]:
    """As a search judged while the variance between seeds over that on items was the same for all."""
    series, k = [retention(base, runs) for runs in candidates], len(candidates[0])
    of_items = [residual([each], smoothed=True) * k for each in series]
    ratios = math.fsum(squares_of(each.values) / of for each, of in zip(series, of_items, strict=True))
    freedom = OF_SHARES.freedom + len(series) * (k - 1)
    expected = OF_SHARES.freedom * (1 + OF_SHARES.per_item * len(base))
    ratio = max(1.0, (expected + ratios) / freedom)
    return [
        contrast(0.0, [each], seeds=[Seeds(ratio * of, freedom, freedom, True)])
        for each, of in zip(series, of_items, strict=True)
    ]


def measure(setting: Setting, draws: int) -> Cell:
    """Draws a setting, and judges each draw both ways."""
    random, drawn = np.random.default_rng([7, *map(ord, repr(setting))]), worlds(setting)
    covered, widths = np.zeros((2, draws)), np.zeros((2, draws))
    for index in range(draws):
        base, candidates = draw(random, setting, drawn)
        judged = [each.interval() for each in now(base, candidates)]
        if setting.others is None:
            earlier = [interval[:2] for interval in before(base, candidates)]
        else:
            earlier = [each.interval() for each in with_one_ratio(base, candidates)]
        for method, intervals in enumerate((judged, earlier)):
            ends, truth = np.array(intervals[: setting.judged]), drawn[0].truth
            covered[method, index] = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
            widths[method, index] = np.mean(ends[:, 1] - np.maximum(0.0, ends[:, 0]))
    shares, wide = covered.mean(axis=1), np.median(widths, axis=1)
    return Cell(setting, float(shares[0]), float(wide[0]), float(shares[1]), float(wide[1]))


def draw_numbers(random: np.random.Generator, setting: Setting) -> list[Array]:
    """The numbers of each candidate's runs, shape (k, n), with the mean 0."""
    n, k = setting.items, setting.seeds
    deviation = OF_RUNS_ON_NUMBERS * math.sqrt(TAILS / (TAILS - 2))
    return [
        random.standard_t(TAILS, size=n)
        + math.sqrt(setting.delta) * deviation * random.normal(size=(k, 1))
        + OF_RUNS_ON_NUMBERS * random.standard_t(TAILS, size=(k, n))
        for _ in range(setting.candidates)
    ]


def measure_numbers(setting: Setting, draws: int) -> Cell:
    """Draws a setting of numbers, and judges each draw as a search does, and with the normal interval."""
    random = np.random.default_rng([13, *map(ord, repr(setting))])
    covered, widths = np.zeros((2, draws)), np.zeros((2, draws))
    for index in range(draws):
        series = [
            Series(1.0, runs.mean(axis=1), 0, (("items", runs),), unbounded=True)
            for runs in draw_numbers(random, setting)
        ]
        judged = [each for each in of_series(series) if each is not None]
        for method, contrasts in enumerate((judged, map(with_normal_items, judged))):
            ends = np.array([each.interval() for each in contrasts])
            covered[method, index] = np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0))
            widths[method, index] = np.mean(ends[:, 1] - ends[:, 0])
    shares, wide = covered.mean(axis=1), np.median(widths, axis=1)
    return Cell(setting, float(shares[0]), float(wide[0]), float(shares[1]), float(wide[1]))


def measure_losses(setting: Setting, draws: int) -> Cell:
    """Draws losses that have no items; `delta` is the first candidate's deviation over the others'."""
    random = np.random.default_rng([17, *map(ord, repr(setting))])
    deviations = np.array([setting.delta, *[1.0] * (setting.candidates - 1)])
    covered, widths = np.zeros((2, draws)), np.zeros((2, draws))
    for index in range(draws):
        losses = deviations[:, None] * random.normal(size=(setting.candidates, setting.seeds))
        series = [Series(1.0, each, 0) for each in losses]
        judged, noise = of_series(series)[0], pooled(list(losses))
        assert judged is not None
        for method, each in enumerate((judged, contrast(0.0, series[:1], seeds=[noise]))):
            low, high = each.interval()
            covered[method, index], widths[method, index] = low <= 0 <= high, high - low
    shares, wide = covered.mean(axis=1), np.median(widths, axis=1)
    return Cell(setting, float(shares[0]), float(wide[0]), float(shares[1]), float(wide[1]))


def with_normal_items(judged: Contrast) -> Contrast:
    """The same with the normal interval over the items."""
    (part,) = judged.parts
    half, _ = part.reach(Z, 1.0)
    return replace(judged, parts=(replace(part, over=None, below=half, above=half),))


def numbers_settings() -> Iterator[Setting]:
    """All cells of numbers."""
    for each in itertools.product(NUMBERS_DELTAS, CANDIDATES, SEEDS, NUMBERS_OF_ITEMS):
        yield Setting("numbers", *each)


def settings() -> Iterator[Setting]:
    """All cells."""
    for each in itertools.product(SHARES, DELTAS, CANDIDATES, SEEDS, ITEMS):
        yield Setting(*each)


def unequal_settings() -> Iterator[Setting]:
    """All cells in which candidates differ unequally between seeds."""
    for (delta, others), seeds, items in itertools.product(UNEQUAL, SEEDS, ITEMS):
        yield Setting("high", delta, 3, seeds, items, others)


def losses_settings() -> Iterator[Setting]:
    """The same of losses without items."""
    for deviation, seeds in itertools.product(DEVIATIONS, SEEDS):
        yield Setting("losses", deviation, 3, seeds, 0, 1.0)


def _counts(cells: Sequence[Cell]) -> str:
    """How many cells are as they should be."""
    covered = [cell.covered for cell in cells]
    wider = [each.width_before / each.width for each in cells]
    within, below = sum(0.93 <= each <= 0.97 for each in covered), sum(each < 0.93 for each in covered)
    return (
        f"{within} of {len(cells)} cells lie between 93% and 97%, {below} below (the lowest "
        f"{min(covered):.1%}), and {len(cells) - within - below} above. Before, "
        f"{sum(0.93 <= each.covered_before <= 0.97 for each in cells)} lay between, and intervals were "
        f"{np.median(wider):.2f} times as wide (median over cells; at most {max(wider):.1f} times)."
    )


def tables(cells: Sequence[Cell]) -> Iterator[str]:
    """The cells as Markdown: coverage and width, and in brackets those of the method before."""
    by_setting = {cell.setting: cell for cell in cells}
    yield _counts(cells)
    yield ""
    for index, (kind, (base, tuned)) in enumerate(SHARES.items()):
        if index:
            yield ""
        yield f"Base model {base:.0%} right, tuned model {tuned:.0%}:"
        yield ""
        yield from _table(by_setting, kind, DELTAS, ITEMS)


def numbers_tables(cells: Sequence[Cell]) -> Iterator[str]:
    """The same of numbers; in brackets with the normal interval over the items."""
    yield _counts(cells)
    yield ""
    yield from _table({cell.setting: cell for cell in cells}, "numbers", NUMBERS_DELTAS, NUMBERS_OF_ITEMS)


def _table(
    by_setting: Mapping[Setting, Cell], kind: str, deltas: Sequence[float], sizes: Sequence[int]
) -> list[str]:
    header = ("candidates", "seeds", "items", *(f"delta {delta:g}" for delta in deltas))
    rows = []
    for candidates, seeds, items in itertools.product(CANDIDATES, SEEDS, sizes):
        row = [by_setting[Setting(kind, delta, candidates, seeds, items)] for delta in deltas]
        rows.append((candidates, seeds, items, *map(_text, row)))
    return table(header, rows)


def _text(cell: Cell) -> str:
    return f"{cell.covered:.1%} ({cell.covered_before:.1%}), {cell.width:.2f} ({cell.width_before:.2f})"


def unequal_tables(cells: Sequence[Cell]) -> Iterator[str]:
    """Of the candidate that differs most; in brackets with what is the same for all candidates."""
    by_setting = {cell.setting: cell for cell in cells}
    header = ("seeds", "items", *(f"delta {delta:g}, others {others:g}" for delta, others in UNEQUAL))
    rows = [
        (seeds, items, *(_text(by_setting[Setting("high", a, 3, seeds, items, b)]) for a, b in UNEQUAL))
        for seeds, items in itertools.product(SEEDS, ITEMS)
    ]
    yield from table(header, rows)
    yield ""
    yield "Losses without items, by the deviation between seeds over that of the two others:"
    yield ""
    losses = [
        (seeds, *(_text(by_setting[Setting("losses", each, 3, seeds, 0, 1.0)]) for each in DEVIATIONS))
        for seeds in SEEDS
    ]
    yield from table(("seeds", *(f"deviation {each:g}" for each in DEVIATIONS)), losses)


_Measured: TypeAlias = tuple[Callable[[Setting, int], Cell], Callable[[], Iterator[Setting]]]
SECTIONS: Mapping[str, tuple[Sequence[_Measured], Callable[[Sequence[Cell]], Iterator[str]]]] = {
    "numbers": ([(measure_numbers, numbers_settings)], numbers_tables),
    "unequal": ([(measure, unequal_settings), (measure_losses, losses_settings)], unequal_tables),
    "coverage": ([(measure, settings)], tables),
}


def main() -> None:
    """Prints the cells as JSON, and with `--write` puts their tables into the page of results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--only", choices=[*SECTIONS], help="one of the sections")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    measured = []
    for name, (measures, lines) in SECTIONS.items():
        if options.only in (None, name):
            cells = [of(setting, options.draws) for of, settings in measures for setting in settings()]
            measured += cells
            if options.write:
                write_section(PAGE, name, list(lines(cells)))
    print(json.dumps([asdict(cell) for cell in measured]))


if __name__ == "__main__":
    main()
