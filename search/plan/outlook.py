"""What a plan says beyond trials and rungs: guards, confirmation, limits, warm start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from search.cluster import cluster_address
from search.config.schema import NO_PRIOR, SearchConfig
from search.config.space import CategoricalParameter, ExpressionParameter
from search.guards import GUARDS, make_guards
from search.judging.constraints import constraints_of
from search.plan.estimate import repetitions
from search.plan.model import PlannedLimit, SearchEstimate, Slots
from search.record import WarmStarted
from search.searchers import SEARCHERS
from search.searchers.base import point_key
from search.searchers.prior import space_prior
from search.space import SearchSpace
from trainables.specs import TRAINABLES

_TEACHES = {
    "pending": "treats stopped trials as pending, and learns their values only where they break a constraint",
    "projected": (
        "projects the values of stopped trials to the full budget, from the curves of fully trained trials"
    ),
    "rung": "compares stopped trials with all others at the highest rung that enough of them reached",
    "worse": "learns from stopped trials only that they are worse than fully trained ones",
}


def teaches(config: SearchConfig) -> str | None:
    """What stopped trials teach the searcher; None where it does not learn."""
    name = config.searcher.name
    if not SEARCHERS[name].learns:
        return None
    stopped = getattr(config.searcher, "stopped", None)
    return None if stopped is None else f"{name} {_TEACHES[stopped]}."


def budget(config: SearchConfig, counted: str | None) -> Iterator[str]:
    """What a step is, and how the steps were counted, if they were."""
    if counted is not None:
        yield counted
    if "batch_size" not in TRAINABLES[config.trainable].parameters.model_fields:
        return
    yield (
        f"a step is {_batch_sizes(config)} examples (batch_size, the effective batch), over all workers and "
        "passes of the step"
    )
    workers = config.workers
    if workers.micro_batch is not None:
        what = "rows" if workers.sequence_packing else "examples"
        yield f"a pass has at most {workers.micro_batch} {what} of a trial; their gradients are summed"
    if workers.sequence_packing:
        yield (
            "short examples share rows, if the model keeps them separate; each group tests this at its start"
        )
    if workers.gradient_checkpointing:
        yield "blocks are recomputed in the backward pass (gradient checkpointing)"


def _batch_sizes(config: SearchConfig) -> str:
    parameter = config.parameters.get("batch_size")
    if isinstance(parameter, CategoricalParameter):
        return " or ".join(dict.fromkeys(map(str, parameter.choices)))
    if isinstance(parameter, ExpressionParameter):
        return parameter.value
    if parameter is not None:
        return f"{parameter.low} to {parameter.high}"
    default = TRAINABLES[config.trainable].parameters.model_fields["batch_size"].default
    return str(config.fixed.get("batch_size", default))


def guards(config: SearchConfig) -> Iterator[str]:
    """The guards that are on, each with what it looks for."""
    if (spike := config.guards.spike) is not None:
        yield f"spike: the smoothed training loss rises to {spike:g} times its lowest value (guards.spike)"
    lines = GUARDS.lines()
    for name in make_guards(config):
        yield f"{name}: {lines[name]} (guards.{name}={getattr(config.guards, name)})"


def confirmation(config: SearchConfig, number: int, estimated: SearchEstimate | None) -> Iterator[str]:
    """What is trained again at the end, and its share of the time."""
    runs, confirm = repetitions(config, number), config.confirm
    if not runs:
        yield "none: the recommended trial is trained only once, with one seed"
        return
    candidates = min(confirm.candidates, number)
    best = f"the best {candidates} trials" if candidates > 1 else "the best trial"
    what = "their order or a bound" if candidates > 1 else "a bound"
    yield f"up to {runs} more runs{_length(config)}: {best} again with new seeds, as long as {what} is open"
    if number > candidates:
        yield "if none of these holds up, the next best in turn, one at a time"
    of = " of those that are shown to keep every bound" if constraints_of(config.objectives) else ""
    yield f"the recommendation rests on their means and 95% intervals; in a tie, it is the cheapest{of}"
    if estimated is not None and estimated.likely_seconds:
        share = estimated.confirmation_seconds / estimated.likely_seconds
        yield f"about {share:.0%} of the estimated time"


def _length(config: SearchConfig) -> str:
    return "" if config.budget.by_trial else f" of {config.budget.full_steps} steps"


def limits(config: SearchConfig, slots: Slots, estimated: SearchEstimate | None) -> tuple[PlannedLimit, ...]:
    """The limits that are set, beside what the search is likely to take."""
    hours = None if estimated is None else estimated.likely_seconds / 3600
    devices = slots.groups and slots.groups * slots.workers_per_group * (slots.gpus or 1)
    # The number of nodes is known of this machine alone.
    _, address = cluster_address(config.workers)
    nodes = 1 if address is None else None
    price = config.limits.price
    all_limits = (
        ("hours", config.limits.hours, hours),
        ("device_hours", config.limits.device_hours, _times(hours, devices)),
        ("cost", config.limits.cost, _times(_times(hours, nodes), price)),
    )
    return tuple(
        PlannedLimit(name, limit, expected) for name, limit, expected in all_limits if limit is not None
    )


def ends_first(planned: Sequence[PlannedLimit], number: int, estimated: SearchEstimate | None) -> str:
    """Whether the trials or a limit will probably end the search, in a sentence."""
    trials = f"{number} trial{'' if number == 1 else 's'}"
    if not planned:
        return f"none but the {trials}"
    known = [(limit.expected / limit.limit, limit) for limit in planned if limit.expected is not None]
    if estimated is None or len(known) < len(planned):
        unknown = ", ".join(limit.name for limit in planned if limit.expected is None)
        return f"whether the {trials} or a limit end the search first cannot be estimated ({unknown})"
    ratio, first = max(known, key=lambda pair: pair[0])
    use = f"{first.expected:.2g} of {first.limit:g} {first.name}"
    if ratio <= 1:
        return f"the {trials} will probably end the search first: they take about {use}"
    return (
        f"limits.{first.name} will probably end the search first, before the {trials} are done: they would "
        f"take about {use}"
    )


def warm_start(config: SearchConfig, begun: WarmStarted | None) -> str | None:
    """The earlier search and what it gives this one."""
    if begun is None or config.warm_start is None:
        return None
    count = f"{len(begun.trials)} trial{'' if len(begun.trials) == 1 else 's'} of {config.warm_start.search}"
    if begun.use == "points":
        return f"{count}: their configurations are tried first"
    return f"{count}: the searcher knows them from the start, in place of random trials"


def prior(config: SearchConfig, space: SearchSpace) -> Iterator[str]:
    """What is believed before any trial, which trials follow from it, and its sources."""
    known = space_prior(config, space)
    if known is None:
        return
    name, listed = known.prior.parameter, {point_key(point) for point in config.points}
    points = known.first()
    first = [point for point in points if point_key(point) not in listed]
    belief = known.belief(first[0]) if first else known.expected()
    if belief is not None:
        count = max(0, min(len(first), config.trials - len(config.points)))
        given = f"for the other parameters of trial {len(config.points)}, " if count else ""
        yield (
            f"{config.prior}: {given}the best {name} is believed to be near {belief.centre:.2g}, in two of "
            f"three cases within a factor of {math.exp(belief.deviation):.2g} of it; "
            f"{_begins(name, len(config.points), count, bool(first), bool(points))}"
        )
        if belief.assumed:
            yield belief.assumed
        yield f"results count more with every trial; prior={NO_PRIOR} begins without it"
    yield f"from {'; '.join(known.prior.sources)}"


def _begins(name: str, number: int, count: int, new: bool, within: bool) -> str:
    """Which trials begin with a prior's points: so many from this number on."""
    if count > 1:
        return f"trials {number} to {number + count - 1} begin there and around it"
    if count:
        return f"trial {number} begins near it"
    if not within:
        return f"the bounds of {name} leave that out, so no trial begins there"
    return "the listed points take all trials" if new else "the trials there are listed already"


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor
