"""The facts of a search, from its configuration and what its trainable says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from search.audit.lines import LineOf
from search.audit.searched import searched_facts
from search.audit.subject import Fact, Subject
from search.config.origins import Origins
from search.config.schema import SearchConfig
from search.expressions import compile_expression
from search.record.events import Params, Scalar
from search.schedulers import SCHEDULERS
from search.searchers import SEARCHERS, make_searcher
from search.space import SearchSpace
from search.trial_steps import LENGTHS, TrialSteps
from trainables.audited import TRAINING, ReadFacts
from trainables.errors import UserError
from trainables.parameters import TrainingParameters
from trainables.specs import TRAINABLES

_MOST_PROPOSALS = 2000
_BUDGET_STEPS = "budget_steps"


def subject_of(config: SearchConfig, origins: Origins, steps: TrialSteps | None = None) -> Subject:
    """A search as rules see it.

    Args:
        config: Its budget in steps.
        origins: Where its values are from.
        steps: The steps of trials, where each has its own number.
    """
    spec = TRAINABLES[config.trainable]
    space = SearchSpace(config.parameters, config.fixed)
    fields = spec.parameters.model_fields
    defaults: dict[str, Any] = {name: each.default for name, each in fields.items() if not each.is_required()}
    if not config.budget.by_trial:
        defaults[_BUDGET_STEPS] = config.budget.full_steps
    facts = (
        dict(_of_trainable(config)) | _of_search(config) | searched_facts(config) | _of_steps(config, steps)
    )
    lines = LineOf(config, origins)
    return Subject(
        facts=facts,
        axes=space.sampled,
        parameters=lambda values: {**defaults, **space.values(values)},
        uses={name: space.uses(name) for name in config.parameters},
        trials=config.trials,
        proposals=cache(lambda: _proposals(config, space)),
        places=lines.place,
        line=lines.line,
    )


def _proposals(config: SearchConfig, space: SearchSpace) -> list[Params] | None:
    """The trials of a searcher whose proposals depend on no result; None of another."""
    entry = SEARCHERS[config.searcher.name]
    if not entry.finite or config.trials > _MOST_PROPOSALS or config.warm_start is not None:
        return None
    searcher = make_searcher(config, space)
    proposed = (searcher.propose(number) for number in range(config.trials))
    return [proposal.sampled for proposal in proposed if proposal is not None]


def _of_trainable(config: SearchConfig) -> Iterator[tuple[str, Fact]]:
    audited = TRAINABLES[config.trainable].audited
    readers = [(group, _reader(group, config)) for group in audited.read]
    for name in dict.fromkeys(name for group in audited.read for name in group.keys):
        knows = [(group.keys[name], read) for group, read in readers if name in group.keys]
        key = next((key for key, _ in knows if key is not None), None)
        yield name, Fact(read=_first([read for _, read in knows], name), key=key)
    for name, computed in audited.computed.items():
        yield name, Fact(compute=_computed(computed.prepare, config.options), needs=computed.needs)
    trained = issubclass(TRAINABLES[config.trainable].parameters, TrainingParameters)
    for name, each in {**(TRAINING if trained else {}), **audited.trial}.items():
        expression = compile_expression(each.formula)
        single = next(iter(expression.names)) if expression.names == {each.formula} else None
        yield name, Fact(formula=expression, parameter=each.parameter or single)


def _reader(group: ReadFacts, config: SearchConfig) -> Callable[[], Mapping[str, Scalar]]:
    return cache(lambda: group.read(config.options, config.seed))


def _first(reads: Sequence[Callable[[], Mapping[str, Scalar]]], name: str) -> Callable[[], Scalar]:
    def read() -> Scalar:
        for each in reads:
            if name in (facts := each()):
                return facts[name]
        raise LookupError(name)

    return read


def _computed(prepare: Callable[[Any], Callable[..., Scalar] | None], options: Any) -> Callable[..., Scalar]:
    prepared = cache(lambda: prepare(options))

    def compute(*values: Any) -> Scalar:
        function = prepared()
        return None if function is None else function(*values)

    return compute


def _of_search(config: SearchConfig) -> dict[str, Fact]:
    """Facts of every search, whatever it trains."""
    workers, budget = config.workers, config.budget
    seeds = config.parameters.get("seed")
    repeated = config.confirm.seeds if config.confirm.candidates else 1
    facts = {
        "trials": Fact(config.trials, key="trials"),
        "rungs": Fact(budget.rungs, key="budget.rungs"),
        "reduction_factor": Fact(budget.eta, key="budget.eta"),
        "early_stopping": Fact(SCHEDULERS[config.scheduler.name].stops, key="scheduler"),
        "guard_spike": Fact(config.guards.spike, key="guards.spike"),
        "devices": Fact(workers.workers, key="workers.workers"),
        "seed_count": Fact(
            len(getattr(seeds, "choices", ())) or repeated,
            key="confirm.seeds" if config.confirm.candidates else "confirm.candidates",
        ),
        "packing": Fact(workers.sequence_packing, key="workers.sequence_packing"),
        "retention_floor": Fact(None, key="objectives"),
    }
    if workers.micro_batch is not None:
        facts["micro_batch"] = Fact(workers.micro_batch, key="workers.micro_batch")
    ratios = {metric.relative for metric in config.metrics if metric.relative is not None}
    for index, objective in enumerate(config.objectives):
        if objective.metric in ratios and objective.floor is not None:
            facts["retention_floor"] = Fact(objective.floor, key=f"objectives.{index}.floor")
    return facts


def _of_steps(config: SearchConfig, steps: TrialSteps | None) -> dict[str, Fact]:
    if not config.budget.by_trial:
        first = Fact(config.budget.rung_steps[0], key="budget.rungs")
        return {"steps": Fact(config.budget.full_steps, key="budget.steps"), "eval_every_steps": first}
    if steps is None:
        return {}

    def own(*lengths: Scalar) -> Scalar:
        try:
            return steps.of(dict(zip(LENGTHS, lengths, strict=True)))
        except UserError:
            return None

    return {"steps": Fact(compute=own, needs=LENGTHS)}
