"""A searcher that asks a genetic sampler of Optuna, with generations kept outside its study."""

from __future__ import annotations

from optuna import Study
from optuna.samplers import BaseGASampler, NSGAIIISampler, NSGAIISampler
from optuna.samplers.nsgaii import PolynomialMutation, SBXCrossover
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import SearchConfig
from search.record.events import Params, WarmStarted
from search.searchers.base import TrialOutcome
from search.searchers.known import CAPACITY
from search.searchers.options import GeneticOptions, after_generation
from search.searchers.optuna_study import OptunaSearcher, is_prior, key_of
from search.searchers.optuna_terms import experimental, make_study
from search.space import SearchSpace

_MIN_PARENTS = 2


class _ParentsOnly(BaseGASampler):
    """A sampler for a study that holds nothing but the individuals in question.

    Optuna writes generations and parents into the study that lives on. Here, asked for a trial, all of
    the study's trials are its parents; asked to select, they are the individuals to select from.
    """

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        """1: the study's trials are generation 0."""
        return 1

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """All finished trials of the study."""
        return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """All finished trials of the study, where a trial is asked for."""
        return [] if generation == 0 else self.get_population(study, generation)


class Nsga2(_ParentsOnly, NSGAIISampler):
    """NSGA-II's selection and variation."""


class Nsga3(_ParentsOnly, NSGAIIISampler):
    """NSGA-III's selection and variation."""


class GeneticSearcher(OptunaSearcher):
    """Draws the first generation at random, and varies the best so far from then on.

    Variation is that of the algorithms' authors: simulated binary crossover and polynomial mutation of
    numbers; categories are swapped between parents, and drawn anew where they mutate.

    The next `population` trials that finish, in the order in which they do, are a generation; the first
    is of `startup` trials, where these are more. When it is complete, the parents of the next trials are
    selected from it and its own parents, and stay the same until the next generation is complete. So a
    generation is a function of the order of outcomes, no matter which trials run at the same time, and every
    trial that finishes counts once, those that were stopped or broke included. Running trials are not
    avoided: variation is random.

    Trials of an earlier search, of which there must be two, are the first parents; they are left out of
    selections once `startup` trials of this search have finished.

    Args:
        config: See `OptunaSearcher`.
        space: The space to search.
        kind: The genetic algorithm.
    """

    def __init__(self, config: SearchConfig, space: SearchSpace, kind: type[Nsga2] | type[Nsga3]) -> None:
        options = config.searcher
        assert isinstance(options, GeneticOptions)
        self._population = options.population
        self._next = after_generation(options)
        self._parents: list[FrozenTrial] = []
        self._offspring: list[int] = []
        self._generation = 0

        def make_sampler(seed: int) -> Nsga2 | Nsga3:
            with experimental():
                # Optuna's own choice, to draw anew what mutates, is random search in one dimension.
                return kind(
                    population_size=options.population,
                    seed=seed,
                    crossover=SBXCrossover(),
                    mutation=PolynomialMutation(),
                )

        super().__init__(
            config,
            space,
            lambda seed, _: make_sampler(seed),
            needs_values=True,
            capacity=max(CAPACITY, 4 * options.population),
        )
        self._make_genetic = make_sampler

    def begin(self, event: WarmStarted) -> None:
        """Takes an earlier search's trials as the first parents, where they are priors."""
        super().begin(event)
        if len(self._prior) >= _MIN_PARENTS:
            self._select([trial.number for trial in self._history()])

    def observe(self, outcome: TrialOutcome) -> None:
        """Remembers how the trial ended, and selects parents when a generation is complete."""
        super().observe(outcome)
        self._offspring.append(key_of(outcome.trial))
        if len(self._offspring) >= self._next:
            self._select(self._offspring)
            self._offspring = []

    def _ready(self) -> bool:
        return bool(self._parents)

    def _sample(self, number: int) -> Params:
        return self._suggest(self._make_genetic(self._seed_of(str(number))), self._parents)

    def _select(self, offspring: list[int]) -> None:
        """Selects the parents of the next generation, by what is known of all of them by now."""
        known = {trial.number: trial for trial in self._history()}
        pool = {
            trial.number: known.get(trial.number, trial)
            for trial in self._parents
            if not is_prior(trial.number) or trial.number in known
        } | {number: known[number] for number in offspring if number in known}
        self._generation += 1
        sampler = self._make_genetic(self._seed_of(f"generation/{self._generation}"))
        study = make_study(self._objectives, sampler, [pool[number] for number in sorted(pool)])
        selected = sampler.select_parent(study, 1)
        self._parents = sorted(selected, key=lambda trial: trial.number)
        self._next = self._population
