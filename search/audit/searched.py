"""Facts of what a search tries, by what means, and to what end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from search.audit.subject import Fact
from search.claims import parse_claim
from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter, ExpressionParameter, Parameter, grid_count
from search.record.events import Scalar
from search.searchers import SEARCHERS, startup
from trainables.audited import TrialFact
from trainables.messages import TRAIN_LOSS
from trainables.specs import TRAINABLES
from trainables.trainable import MetricSpec

_BOUNDED = ("lr", "batch", "rank")
"""Facts whose range is a fact as well: `lr_low`, `lr_high`."""


def searched_facts(config: SearchConfig) -> dict[str, Fact]:
    """What a search tries and judges by."""
    metrics = [objective.metric for objective in config.objectives]
    sampled = [each for each in config.parameters.values() if not isinstance(each, ExpressionParameter)]
    facts = {
        "searcher": Fact(config.searcher.name, key="searcher"),
        "searcher_learns": Fact(SEARCHERS[config.searcher.name].learns, key="searcher"),
        "searcher_startup": Fact(startup(config.searcher), key="searcher"),
        "searched_parameters": Fact(sum(grid_count(each) != 1 for each in sampled), key="parameters"),
        "objectives": Fact(len(metrics), key="objectives"),
        "loss_only": Fact(metrics == [TRAIN_LOSS], key="objectives"),
        "claims": Fact(_claims(config), key="hypotheses"),
        "retention_measured": Fact(any(map(_against_base, config.metrics)), key="objectives"),
    }
    counts = [grid_count(each) for each in sampled]
    if not any(each.when for each in config.parameters.values()) and None not in counts:
        points = math.prod(count for count in counts if count is not None)
        facts["grid_points"] = Fact(points, key="parameters")
    trial = TRAINABLES[config.trainable].audited.trial
    for name in _BOUNDED:
        if name in trial:
            facts.update(_bounds(name, trial[name], config))
    if "alpha" in trial:
        facts["alpha_fixed"] = Fact(_is_fixed(trial["alpha"], config.fixed), key="fixed")
    return facts


def _against_base(metric: MetricSpec) -> bool:
    """Whether a metric is a comparison with the base model, or has a ratio to it."""
    return metric.relative is not None or metric.ceiling is not None


def _claims(config: SearchConfig) -> int:
    """Number of hypotheses that rest on what is recommended."""
    count = 0
    for hypothesis in config.hypotheses.values():
        filtered = any(quantity.filters for quantity in parse_claim(hypothesis.claim).quantities)
        count += hypothesis.scope(filtered) == "recommended"
    return count


def _is_fixed(fact: TrialFact, fixed: Mapping[str, Scalar]) -> bool:
    """Whether the parameter that sets a fact has one value, whatever the others have."""
    return fixed.get(fact.parameter or fact.formula) is not None


def _bounds(name: str, fact: TrialFact, config: SearchConfig) -> Iterator[tuple[str, Fact]]:
    """Least and greatest value of a fact that is a single parameter, and the scale that it is drawn on."""
    parameter = config.parameters.get(fact.formula)
    ends = _ends(parameter)
    if parameter is None:
        default = TRAINABLES[config.trainable].parameters.model_fields.get(fact.formula)
        value = config.fixed.get(fact.formula, None if default is None else default.default)
        ends = (value, value) if isinstance(value, int | float) else None
    if ends is None:
        return
    yield f"{name}_low", Fact(ends[0], parameter=fact.formula)
    yield f"{name}_high", Fact(ends[1], parameter=fact.formula)
    if name == "lr" and parameter is not None and not isinstance(parameter, CategoricalParameter):
        yield "lr_scale", Fact("log" if parameter.type == "log-float" else "linear", parameter=fact.formula)


def _ends(parameter: Parameter | None) -> tuple[float, float] | None:
    """Least and greatest value of a searched parameter; None where they are not numbers, or not known."""
    if parameter is None or isinstance(parameter, ExpressionParameter):
        return None
    if not isinstance(parameter, CategoricalParameter):
        return parameter.low, parameter.high
    numbers = [each for each in parameter.choices if isinstance(each, int | float)]
    return (min(numbers), max(numbers)) if len(numbers) == len(parameter.choices) else None
