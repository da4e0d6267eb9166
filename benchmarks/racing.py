"""What racing spares, and whether the recommended trial's interval still holds the truth as often as it says.

    python -m benchmarks.racing [--draws 400]

Three candidates differ in their loss by so many standard deviations between seeds; their retention is over
questions as in `benchmarks.coverage`. Each search is confirmed twice: as a race, and with the same number of
repetitions for each candidate. Prints one JSON object as its last line.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.coverage import PAGE, Setting, draw, retention, world
from benchmarks.page import table, write_section
from search.config.schema import ObjectiveConfig
from search.judging.confirmation import Candidate
from search.judging.constraints import keeps_constraints
from search.judging.contrasts import Contrast
from search.judging.held import words_of
from search.judging.noise import Array, Series
from search.judging.pooled import PooledMean
from search.judging.racing import Contender, Race, standings
from search.judging.repeated import of_series

CANDIDATES, ITEMS, DELTA = 3, 300, 0.005
SEEDS = (2, 4)
GAPS = (0.0, 2.0, 10.0)
"""Between the losses of neighbours, in standard deviations between seeds."""
MARGINS = {"surely": -0.08, "barely": 0.0, "not": 0.05}
"""How the floor is kept: the floor minus the true retention."""
NOISE = 0.01


@dataclass(frozen=True)
class Raced:
    """How one kind of search went.

    Attributes:
        repetitions: Mean number, of `budget`.
        covered: Share of intervals of retention that hold the truth, of candidates with two repetitions.
        best: Share of searches that recommend the candidate with the lowest loss.
        said_kept: Share that say of the recommended candidate that its floor is kept.
        covered_even: The same with equal numbers of repetitions, as are the others.
    """

    gap: float
    floor: str
    seeds: int
    budget: int
    repetitions: float
    covered: float
    best: float
    said_kept: float
    covered_even: float
    best_even: float
    said_kept_even: float


@dataclass(frozen=True)
class Drawn:
    """Runs of each candidate, as many as a race may take; the first is that of the search."""

    base: Array
    answers: Sequence[Array]
    losses: Array


def objectives(floor: float) -> tuple[ObjectiveConfig, ...]:
    """A loss, and retention with a floor."""
    return (
        ObjectiveConfig(metric="loss", direction="min"),
        ObjectiveConfig(metric="retention", direction="max", floor=floor),
    )


def judge(goals: Sequence[ObjectiveConfig], drawn: Drawn, counts: Sequence[int]) -> dict[int, Candidate]:
    """The candidates by their first repetitions, as `search.judging.confirmation.judge` does."""
    alone = max(counts) < 2

    def series(first: int) -> Iterator[tuple[Series, Series]]:
        for answers, losses, count in zip(drawn.answers, drawn.losses, counts, strict=True):
            runs = slice(first, 1 + count)
            yield retention(drawn.base, answers[runs]), Series(1.0, losses[runs], 0)

    own = [list(each) for each in zip(*series(1), strict=True)]
    told_by = [list(each) for each in zip(*series(0), strict=True)]
    kept, loss = (of_series(a, b if alone else None) for a, b in zip(own, told_by, strict=True))
    judged = {}
    for number, (share, other) in enumerate(zip(kept, loss, strict=True)):
        assert share is not None
        assert other is not None
        means = {"retention": pooled(share), "loss": pooled(other)}
        runs = tuple(range(counts[number]))
        keeps = keeps_constraints(goals, {name: mean.mean for name, mean in means.items()})
        judged[number] = Candidate(number, runs, (), 0, means, keeps)
    return judged


def pooled(measured: Contrast) -> PooledMean:
    """The mean with its noise."""
    between = measured.between
    assert between.variance is not None
    low, high = measured.interval()
    error = float(np.sqrt(between.variance))
    return PooledMean(measured.estimate, between.trials, error, between.freedom, low, high)


def run_race(goals: Sequence[ObjectiveConfig], drawn: Drawn, seeds: int) -> list[int]:
    """The number of repetitions of each candidate at the end."""
    counts = [1] * CANDIDATES
    while True:
        judged = judge(goals, drawn, counts)
        given = standings(goals, range(CANDIDATES), judged, seeds)
        contenders = tuple(
            Contender(number, counts[number], (), given[number], judged[number].keeps)
            for number in range(CANDIDATES)
        )
        chosen = Race(contenders, CANDIDATES * seeds).next
        if chosen is None:
            return counts
        counts[chosen.trial] += 1


@dataclass(frozen=True)
class Outcome:
    """What a search ends with: share of intervals that hold the truth, NaN without any, and what it says."""

    covered: float
    best: bool
    said_kept: bool


def outcome(goals: Sequence[ObjectiveConfig], drawn: Drawn, counts: Sequence[int], truth: float) -> Outcome:
    """Over the candidates with two repetitions, and of the one that is recommended."""
    judged = judge(goals, drawn, counts).values()
    held = [
        mean.low <= truth <= mean.high
        for each in judged
        if len(each.runs) > 1
        and (mean := each.estimates["retention"]).low is not None
        and mean.high is not None
    ]
    kept = [each for each in judged if each.keeps]
    best = min(kept, key=lambda each: each.means["loss"], default=None)
    said = best is not None and words_of(goals, best.estimates) == ["kept"]
    return Outcome(float(np.mean(held)) if held else float("nan"), best is not None and best.trial == 0, said)


def measure(gap: float, floor: str, seeds: int, draws: int) -> Raced:
    """Draws searches, and confirms each both ways."""
    runs = 1 + CANDIDATES * seeds
    setting = Setting("high", DELTA, CANDIDATES, runs, ITEMS)
    random, latent = np.random.default_rng([11, *map(ord, f"{gap}{floor}{seeds}")]), world(setting)
    goals = objectives(latent.truth + MARGINS[floor])
    taken, raced, even = [], [], []
    for _ in range(draws):
        base, answers = draw(random, setting, latent)
        losses = 1 + NOISE * (gap * np.arange(CANDIDATES)[:, None] + random.normal(size=(CANDIDATES, runs)))
        drawn = Drawn(base, answers, losses)
        counts = run_race(goals, drawn, seeds)
        taken.append(sum(counts))
        raced.append(outcome(goals, drawn, counts, latent.truth))
        even.append(outcome(goals, drawn, [seeds] * CANDIDATES, latent.truth))
    means = [
        float(np.nanmean([getattr(each, name) for each in outcomes]))
        for outcomes in (raced, even)
        for name in ("covered", "best", "said_kept")
    ]
    return Raced(gap, floor, seeds, CANDIDATES * seeds, float(np.mean(taken)), *means)


def rows(cells: Sequence[Raced]) -> list[str]:
    """The cells as a Markdown table; with equal numbers of repetitions in brackets."""
    header = ("floor", "gap", "repetitions", "interval holds", "lowest loss", "said to be kept")
    return table(
        header,
        [
            (
                f"{each.floor} kept" if each.floor != "not" else "broken",
                f"{each.gap:g}",
                f"{each.repetitions:.1f} of {each.budget}",
                f"{each.covered:.1%} ({each.covered_even:.1%})",
                f"{each.best:.0%} ({each.best_even:.0%})",
                f"{each.said_kept:.0%} ({each.said_kept_even:.0%})",
            )
            for each in cells
        ],
    )


def main() -> None:
    """Prints the cells as JSON, and with `--write` puts their table into the page of results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="put the table into the page of results")
    options = parser.parse_args()
    cells = [measure(*each, options.draws) for each in itertools.product(GAPS, MARGINS, SEEDS)]
    if options.write:
        write_section(PAGE, "racing", rows(cells))
    print(json.dumps([asdict(cell) for cell in cells]))


if __name__ == "__main__":
    main()
