"""Where the trainable's published knowledge applies to a search. Light: no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.config.schema import config_model
from trainables.specs import TRAINABLES

_NUMBERS = ("log-float", "float", "int")


def prior_problem(trainable: str, data: Mapping[str, Any]) -> str | None:
    """Why the trainable's prior does not apply to a configuration.

    Args:
        trainable: Its name.
        data: The configuration, plain and not validated yet.

    Returns:
        The reason, to follow "does not apply:"; None where it applies.
    """
    prior = TRAINABLES[trainable].prior
    if prior is None:
        return f"the trainable {trainable} has none"
    parameters = data.get("parameters")
    searched = parameters.get(prior.parameter) if isinstance(parameters, Mapping) else None
    if not isinstance(searched, Mapping) or not _is_positive(searched):
        return f"it is about {prior.parameter}, which this space does not search as a number above 0"
    name = _searcher(trainable, data)
    if not _learns(name):
        return f"the searcher {name} proposes the same trials whatever is known"
    if data.get("warm_start") is not None:
        return "warm_start already gives what this search begins with"
    return None


def _is_positive(parameter: Mapping[str, Any]) -> bool:
    """Whether it has values above 0 alone, as a prior over logarithms needs."""
    if parameter.get("type") in _NUMBERS:
        low = parameter.get("low")
        return isinstance(low, int | float) and low > 0
    choices = parameter.get("choices")
    return isinstance(choices, list | tuple) and all(
        isinstance(choice, int | float) and not isinstance(choice, bool) and choice > 0 for choice in choices
    )


def _searcher(trainable: str, data: Mapping[str, Any]) -> str:
    given = data.get("searcher")
    name = given.get("name") if isinstance(given, Mapping) else given
    return (
        name if isinstance(name, str) else str(config_model(trainable).model_fields["searcher"].default.name)
    )


def _learns(name: str) -> bool:
    from search.searchers.base import SEARCHERS  # which needs the schema

    return name in SEARCHERS and SEARCHERS[name].learns
