"""Confirmation as a race: repetitions go to the candidates whose order or bounds are open, and to no other.

Every candidate is repeated once, then again as long as it is open; each round begins when the one before has
ended. A candidate leaves the race once it is decided: a repetition broke, its whole interval breaks a bound,
or another that surely keeps every bound is better beyond noise. That is successive elimination (Even-Dar,
Mannor and Mansour, 2006, J. Mach. Learn. Res. 7:1079), as in the races for configurations of Birattari et al.
(2002, GECCO, 11). What those that leave have not used of the `confirm.candidates` times `confirm.seeds`
repetitions is there for those that stay.

To look after each round for the first crossing errs more often than a single look. So a decision in round r
is made at the level 1 - 0.05 / (r (r + 1)) as far as seeds are concerned: these shares of 5% add up to it
over any number of rounds, as Even-Dar et al. spend theirs in proportion to 1 / r^2. So noise
between seeds puts the truly best candidate behind another in at most 2.5% of races; another as good as the
best is behind it more often (`search.judging.pooled.ties`). Questions are the same at each look, and count
at 95%. What is said at the end rests on 95% intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, TypeAlias

from search.config.schema import ConfirmConfig, ObjectiveConfig, SearchConfig
from search.judging.confirmation import SEED, Candidate, judge, setting_of
from search.judging.held import words_of
from search.judging.objectives import (
    completed_trials,
    costs_of,
    objectives_of,
    rank_trials,
    repetitions,
)
from search.judging.pooled import ALPHA, ties
from search.record import SearchState, TrialState
from search.seeds import derived_seed

FURTHER = 3
"""Most candidates, as a multiple of the configured number, where none of the first holds up."""

Standing: TypeAlias = Literal["open", "decided", "behind", "out"]


@dataclass(frozen=True)
class Repeat:
    """A trial to be trained again.

    Attributes:
        trial: Number of the trial that is repeated.
        seed: Seed of the repetition, in [0, 2**31).
    """

    trial: int
    seed: int


@dataclass(frozen=True)
class Contender:
    """A candidate in the race.

    Attributes:
        begun: Repetitions that have begun.
        running: Places, from 0, of those that have not ended.
        standing: "open"; "decided", where it has won and keeps its bounds; "behind" another by more than
            noise; or "out", where it breaks a bound or a repetition broke.
        keeps: Whether its means keep every constraint.
    """

    trial: int
    begun: int
    running: tuple[int, ...]
    standing: Standing
    keeps: bool


@dataclass(frozen=True)
class Race:
    """Where confirmation stands.

    Attributes:
        contenders: The candidates, best search run first.
        budget: Most repetitions.
        staying: How many are candidates only because they have been repeated: others are better by now.
    """

    contenders: tuple[Contender, ...]
    budget: int
    staying: int = 0

    @property
    def seeds(self) -> int:
        """Most repetitions of a candidate, on average."""
        return self.budget // max(1, len(self.contenders))

    @property
    def begun(self) -> int:
        """Repetitions that have begun."""
        return sum(each.begun for each in self.contenders)

    @property
    def open(self) -> tuple[Contender, ...]:
        """Those that more repetitions would decide."""
        return tuple(each for each in self.contenders if each.standing == "open")

    @property
    def next(self) -> Contender | None:
        """The one to repeat now; None where none is, or a round must end first."""
        if not self.open or self.begun >= self.budget:
            return None
        first = min(self.open, key=lambda each: each.begun)
        earlier = any(place < first.begun for each in self.contenders for place in each.running)
        return None if earlier else first

    @property
    def over(self) -> bool:
        """Whether no repetition runs and none is to come."""
        return self.next is None and not any(each.running for each in self.contenders)


def candidates(config: SearchConfig, state: SearchState) -> list[TrialState]:
    """The trials to train again: the best of the search phase by `rank_trials`, best first.

    Of many trials near a bound, the best keep it by luck. While repetitions rule out every candidate, the
    next trial becomes a candidate too, up to `FURTHER` times the configured number. One that has begun to be
    repeated stays a candidate, unless fewer are asked for than before.
    """
    return [state.trials[each.trial] for each in _race(config.objectives, config.confirm, state).contenders]


class Repetitions:
    """What confirmation has still to do, worked out again only when a trial has begun or ended."""

    def __init__(self, config: SearchConfig) -> None:
        self._config = config
        self._known: tuple[tuple[int, int], Race] | None = None

    def next(self, state: SearchState) -> Repeat | None:
        """The repetition to begin now, or None where none is, or a round must end first."""
        chosen = self._race(state).next
        if chosen is None:
            return None
        seed = derived_seed(self._config.seed, "confirm", chosen.trial, chosen.begun)
        return Repeat(chosen.trial, seed % 2**31)

    def most(self, state: SearchState) -> int:
        """The repetitions there can be, as far as the candidates are known, but for those that only stay."""
        if any(trial.status == "completed" for trial in state.trials.values()):
            raced = self._race(state)
            return raced.budget - raced.staying * raced.seeds
        return self._config.confirm.candidates * self._config.confirm.seeds

    def _race(self, state: SearchState) -> Race:
        stage = len(state.trials), len(state.unfinished)
        if self._known is None or self._known[0] != stage:
            self._known = stage, _race(self._config.objectives, self._config.confirm, state)
        return self._known[1]


def race(state: SearchState) -> Race:
    """The race of a search that has begun, by the settings of its last session."""
    return _race(objectives_of(state), ConfirmConfig.model_validate(state.confirm), state)


def _race(objectives: Sequence[ObjectiveConfig], confirm: ConfirmConfig, state: SearchState) -> Race:
    if not confirm.candidates:
        return Race((), 0)
    begun = set(repetitions(state))
    ordered = _one_of_each(rank_trials(objectives, completed_trials(state)), begun)
    stays = begun if confirm.candidates >= _most_candidates(state) else set()
    judged = {each.trial: each for each in _judged(state, objectives)}
    most = min(FURTHER * confirm.candidates, len(ordered))
    count = min(confirm.candidates, most)
    while True:
        chosen = [number for place, number in enumerate(ordered) if place < count or number in stays]
        current = Race(
            tuple(_contenders(objectives, state, chosen, judged, confirm.seeds)),
            len(chosen) * confirm.seeds,
            len(chosen) - count,
        )
        lost = current.over and not any(each.keeps for each in current.contenders)
        if count == most or not lost:
            return current
        count += 1


def _one_of_each(ordered: Sequence[TrialState], begun: Set[int]) -> list[int]:
    """Where seeds are searched, a trial of each setting: its repetitions are those of all of them.

    Args:
        ordered: Best first.
        begun: Numbers of trials that were repeated: of its setting, such a trial comes before a better one.
    """
    chosen: dict[str | int, int] = {}
    for trial in ordered:
        setting = setting_of(trial) if SEED in trial.proposed.sampled else trial.number
        if chosen.setdefault(setting, trial.number) not in begun and trial.number in begun:
            chosen[setting] = trial.number
    return list(chosen.values())


def _most_candidates(state: SearchState) -> int:
    """The largest `confirm.candidates` of any session."""
    return max((session.confirm.get("candidates", 0) for session in state.sessions), default=0)


def spent(rounds: int) -> float:
    """1 minus the level of a decision on a candidate with so many repetitions; all of them add up to 0.05."""
    return ALPHA / (rounds * (rounds + 1)) if rounds else ALPHA


def _judged(state: SearchState, objectives: Sequence[ObjectiveConfig]) -> list[Candidate]:
    """The candidates; while repetitions are few, the noise is estimated from the search's runs too."""
    judged = judge(state, objectives)
    if are_few([len(each.runs) for each in judged]):
        return judge(state, objectives, with_search_runs=True)
    return judged


def are_few(counts: Sequence[int]) -> bool:
    """Whether so many repetitions of the candidates have fewer degrees of freedom than there are candidates.

    Two of one of them alone would have a single degree: what a first round had decided would be open again.
    """
    return sum(max(0, count - 1) for count in counts) < sum(count > 0 for count in counts)


def _contenders(
    objectives: Sequence[ObjectiveConfig],
    state: SearchState,
    chosen: Sequence[int],
    judged: Mapping[int, Candidate],
    seeds: int,
) -> list[Contender]:
    begun = repetitions(state)
    given = standings(objectives, chosen, judged, seeds)
    return [
        Contender(
            number,
            len(runs := begun.get(number, [])),
            tuple(place for place, trial in enumerate(runs) if trial.finished is None),
            given[number],
            number in judged and judged[number].keeps,
        )
        for number in chosen
    ]


def standings(
    objectives: Sequence[ObjectiveConfig],
    chosen: Sequence[int],
    judged: Mapping[int, Candidate],
    seeds: int,
    alpha_of: Callable[[int], float] = spent,
) -> dict[int, Standing]:
    """Where each candidate stands.

    Args:
        objectives: As configured.
        chosen: Numbers of the candidates.
        judged: Those of which a repetition has begun, by number.
        seeds: As configured.
        alpha_of: 1 minus the level of a decision on a candidate, by the number of its repetitions. One that
            has left keeps the level at which it did.
    """
    given: dict[int, Standing] = dict.fromkeys(chosen, "open")
    known = [judged[number] for number in chosen if number in judged]
    for each in known:
        never = not each.runs and len(each.failed) >= seeds
        words = words_of(objectives, each.estimates, alpha_of(len(each.runs)))
        if each.broken or never or "broken" in words:
            given[each.trial] = "out"
    left = [each for each in known if each.runs and given[each.trial] == "open"]
    kept = [each for each in left if each.keeps]
    if not kept:
        return given
    best = min(kept, key=lambda each: (costs_of(objectives, each.means), each.trial))

    def surely_keeps(alpha: float) -> bool:
        return all(word == "kept" for word in words_of(objectives, best.estimates, alpha))

    others = [each for each in left if each is not best]
    for each in others:
        alpha = alpha_of(len(each.runs))
        if surely_keeps(alpha) and _is_worse(objectives[0], each, best, alpha, len(others)):
            given[each.trial] = "behind"
    alone = all(given[number] != "open" or number == best.trial for number in chosen)
    if alone and len(best.runs) > 1 and surely_keeps(alpha_of(len(best.runs))):
        given[best.trial] = "decided"
    return given


def _is_worse(
    first: ObjectiveConfig, candidate: Candidate, best: Candidate, alpha: float, comparisons: int
) -> bool:
    """Whether its mean is worse beyond noise; runs that agree exactly say nothing of the noise."""
    if first.cost(candidate.means[first.metric]) <= first.cost(best.means[first.metric]):
        return False
    mean, least = candidate.estimates[first.metric], best.estimates[first.metric]
    return bool(mean.error) and not ties([least, mean], alpha, comparisons)[1]
