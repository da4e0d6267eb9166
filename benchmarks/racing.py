"""What racing spares, how often it errs, and whether intervals hold the truth as often as they say.

    python -m benchmarks.racing [--draws 400] [--seeds 2 4] [--write]

Three candidates differ in their loss by so many standard deviations between seeds; their retention is over
questions as in `benchmarks.coverage`. Each search is confirmed three times: as a race; as a race that takes
each look for the only one, at 95%, which is how it was before; and with the same number of repetitions for
each candidate. Prints one JSON object as its last line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.coverage import PAGE, Setting, draw, retention, world
from benchmarks.page import table, write_section
from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.confirmation import Candidate
from search.judging.constraints import keeps_constraints
from search.judging.held import words_of
from search.judging.noise import Array, Series
from search.judging.pooled import ALPHA
from search.judging.racing import Contender, Race, Standing, are_few, spent, standings
from search.judging.repeated import pooled_means

CANDIDATES, ITEMS, DELTA = 3, 300, 0.005
SEEDS = {2: 1.0, 4: 1.0, 10: 0.5, 40: 0.15}
"""As configured, and the share of draws: those with many take long."""
GAPS = (0.0, 2.0, 10.0)
"""Between the losses of neighbours, in standard deviations between seeds."""
MARGINS = {"surely": -0.08, "barely": 0.0, "not": 0.05}
"""How the floor is kept: the floor minus the true retention."""
NOISE = 0.01


@dataclass(frozen=True)
class Outcome:
    """What a search ends with; of many searches the means.

    Attributes:
        repetitions: Their number.
        covered: Share of intervals of retention that hold the truth, of candidates with two repetitions; NaN
            without any.
        best: Whether the candidate with the lowest loss is recommended.
        said_kept: Whether it says of the recommended candidate that its floor is kept.
        wrongly_behind: Whether one is behind another that is not better.
        wrongly_out: Whether one is out whose floor is kept.
    """

    repetitions: float
    covered: float
    best: float
    said_kept: float
    wrongly_behind: float
    wrongly_out: float


@dataclass(frozen=True)
class Raced:
    """How one kind of search went as a race, as one before, and with equal numbers of repetitions."""

    gap: float
    floor: str
    seeds: int
    budget: int
    draws: int
    race: Outcome
    before: Outcome
    even: Outcome


@dataclass(frozen=True)
class Rule:
    """How a race decides.

    Attributes:
        alpha_of: 1 minus the level, by a candidate's repetitions.
        few: Whether the noise is estimated from the search's runs too, by the repetitions of each.
    """

    alpha_of: Callable[[int], float]
    few: Callable[[Sequence[int]], bool]


NOW = Rule(spent, are_few)
BEFORE = Rule(lambda _: ALPHA, lambda counts: max(counts) < 2)


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


def judge(
    goals: Sequence[ObjectiveConfig], drawn: Drawn, counts: Sequence[int], few: bool = False
) -> dict[int, Candidate]:
    """The candidates by their first repetitions, as `search.judging.confirmation.judge` does."""

    def series(first: int) -> Iterator[tuple[Series, Series]]:
        for answers, losses, count in zip(drawn.answers, drawn.losses, counts, strict=True):
            runs = slice(first, 1 + count)
            yield retention(drawn.base, answers[runs]), Series(1.0, losses[runs], 0)

    repeated = [list(each) for each in zip(*series(1), strict=True)]
    with_search_runs = [list(each) for each in zip(*series(0), strict=True)]
    kept, loss = (
        pooled_means(a, b if few else None) for a, b in zip(repeated, with_search_runs, strict=True)
    )
    judged = {}
    for number, (share, other) in enumerate(zip(kept, loss, strict=True)):
        assert share is not None
        assert other is not None
        means = {"retention": share, "loss": other}
        runs = tuple(range(counts[number]))
        keeps = keeps_constraints(goals, {name: mean.mean for name, mean in means.items()})
        judged[number] = Candidate(number, runs, (), 0, (), means, keeps)
    return judged


def run_race(
    goals: Sequence[ObjectiveConfig], drawn: Drawn, seeds: int, rule: Rule
) -> tuple[list[int], dict[int, Standing]]:
    """The number of repetitions of each candidate at the end, and where it stands."""
    counts = [1] * CANDIDATES
    while True:
        judged = judge(goals, drawn, counts, rule.few(counts))
        given = standings(goals, range(CANDIDATES), judged, seeds, rule.alpha_of)
        contenders = tuple(
            Contender(number, counts[number], (), given[number], judged[number].keeps)
            for number in range(CANDIDATES)
        )
        chosen = Race(contenders, CANDIDATES * seeds).next
        if chosen is None:
            return counts, given
        counts[chosen.trial] += 1


def outcome(
    goals: Sequence[ObjectiveConfig],
    drawn: Drawn,
    counts: Sequence[int],
    given: Mapping[int, Standing],
    truth: tuple[float, float],
) -> Outcome:
    """Of a search.

    Args:
        goals: As of `objectives`.
        drawn: Its runs.
        counts: Repetitions of each candidate.
        given: Where each stands.
        truth: Retention, and the gap between losses.
    """
    (kept_truly, gap), judged = truth, judge(goals, drawn, counts, max(counts) < 2).values()
    held = [
        mean.low <= kept_truly <= mean.high
        for each in judged
        if len(each.runs) > 1
        and (mean := each.estimates["retention"]).low is not None
        and mean.high is not None
    ]
    kept = [each for each in judged if each.keeps]
    best = min(kept, key=lambda each: each.means["loss"], default=None)
    return Outcome(
        sum(counts),
        float(np.mean(held)) if held else float("nan"),
        best is not None and best.trial == 0,
        best is not None and words_of(goals, best.estimates) == ["kept"],
        any(given.get(number) == "behind" for number in range(1 if gap else CANDIDATES)),
        keeps_constraints(goals[1:], {"retention": kept_truly}) and "out" in given.values(),
    )


def measure(gap: float, floor: str, seeds: int, draws: int) -> Raced:
    """Draws searches, and confirms each in three ways."""
    runs = 1 + CANDIDATES * seeds
    setting = Setting("high", DELTA, CANDIDATES, runs, ITEMS)
    random, latent = np.random.default_rng([11, *map(ord, f"{gap}{floor}{seeds}")]), world(setting)
    goals, truth = objectives(latent.truth + MARGINS[floor]), (latent.truth, gap)
    raced: list[Outcome] = []
    before: list[Outcome] = []
    even: list[Outcome] = []
    for _ in range(draws):
        base, answers = draw(random, setting, [latent] * CANDIDATES)
        losses = 1 + NOISE * (gap * np.arange(CANDIDATES)[:, None] + random.normal(size=(CANDIDATES, runs)))
        drawn = Drawn(base, answers, losses)
        for outcomes, rule in ((raced, NOW), (before, BEFORE)):
            outcomes.append(outcome(goals, drawn, *run_race(goals, drawn, seeds, rule), truth))
        even.append(outcome(goals, drawn, [seeds] * CANDIDATES, {}, truth))
    budget = CANDIDATES * seeds
    return Raced(gap, floor, seeds, budget, draws, *(_mean(each) for each in (raced, before, even)))


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    columns = np.array([list(asdict(each).values()) for each in outcomes], dtype=float)
    return Outcome(*map(float, np.nanmean(columns, axis=0)))


def rows(cells: Sequence[Raced]) -> list[str]:
    """The cells as a Markdown table: as a race, before, and with equal numbers of repetitions."""
    header = (
        *("floor", "gap", "seeds", "repetitions", "interval holds", "lowest loss", "said to be kept"),
        *("wrongly behind", "wrongly out"),
    )

    def shares(cell: Raced, name: str, decimals: int = 0, even: bool = True) -> str:
        outcomes = (cell.race, cell.before, cell.even)[: 3 if even else 2]
        return ", ".join(wording.percent(getattr(each, name), decimals) for each in outcomes)

    return table(
        header,
        [
            (
                f"{each.floor} kept" if each.floor != "not" else "broken",
                f"{each.gap:g}",
                each.seeds,
                f"{each.race.repetitions:.1f}, {each.before.repetitions:.1f} of {each.budget}",
                shares(each, "covered", 1),
                shares(each, "best"),
                shares(each, "said_kept", 1),
                shares(each, "wrongly_behind", 1, even=False),
                shares(each, "wrongly_out", 1, even=False),
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[*SEEDS], choices=[*SEEDS])
    parser.add_argument("--write", action="store_true", help="put the table into the page of results")
    options = parser.parse_args()
    cells = [
        measure(gap, floor, seeds, math.ceil(options.draws * SEEDS[seeds]))
        for seeds, gap, floor in itertools.product(options.seeds, GAPS, MARGINS)
    ]
    if options.write:
        write_section(PAGE, "racing", rows(cells))
    print(json.dumps([asdict(cell) for cell in cells]))


if __name__ == "__main__":
    main()
