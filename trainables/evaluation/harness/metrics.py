"""Which metrics of a task are recorded, and which of them says right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainables.errors import UserError
from trainables.evaluation.harness.scores import DocumentScore, named

PRIMARY = ("acc", "exact_match", "acc_norm")
"""Metrics that say of a document whether it was answered rightly, in the order in which they are taken."""

BINARY = (*PRIMARY, "acc_bytes", "acc_mutual_info")
"""Metrics that are 0 or 1 for a document wherever the harness computes them itself."""

_MEANINGLESS = "bypass"


class TaskMetrics:
    """A task's metrics.

    One of them, the primary one, counts. Others that are 0 or 1 for every document, because the harness
    computes them so, are shares of documents too. All the rest are recorded as what the harness makes of all
    documents together, if it does so in a way that it has a name for: a function of the task's own can be
    anything.

    Args:
        task: The `lm_eval` task.
        name: What it was asked for by.
        metric: The metric that is to be the primary one; None takes the first of `PRIMARY` that the task has.
        key: Configuration key, for messages.

    Raises:
        UserError: The task has no such metric, or it is none of 0 and 1.

    Attributes:
        primary: Name of the primary metric, or None: a task of perplexity alone has none.
        shares: Further metrics of 0 and 1, as they are named in `DocumentScore.values`.
        figures: All others, likewise, with the harness's name for how documents are aggregated.
    """

    def __init__(self, task: Any, name: str, metric: str | None, key: str) -> None:
        self._task = task
        self._name = name
        self._key = key
        self.primary = self._primary(metric)
        filters = [each.name for each in task._filters]
        names = {
            named(aggregated, each, filters): aggregated
            for each in filters
            for aggregated in task.aggregation()
        }
        counting = self._counting(list(names))
        binary = () if self._has_own_results else BINARY
        self.shares = [
            each for each, aggregated in names.items() if aggregated in binary and each != counting
        ]
        known = _aggregations()
        self.figures = {
            each: known[task.aggregation()[aggregated]]
            for each, aggregated in names.items()
            if each not in (counting, *self.shares) and task.aggregation()[aggregated] in known
        }

    def right(self, score: DocumentScore) -> bool | None:
        """Whether the primary metric takes a document for right; None where there is none.

        Raises:
            UserError: It is neither 0 nor 1 for the document, or the task does not give it.
        """
        if self.primary is None:
            return None
        name = self._counting(list(score.values))
        value = None if name is None else score.values[name]
        if value not in (0, 1):
            raise UserError(
                f"{self._key}: {self.primary} of the task {self._name!r} is {value!r} for a document, "
                "but must be 1 (right) or 0 (wrong).",
                hint=f"Name another metric; the task gives {', '.join(score.values)}.",
            )
        return bool(value)

    def totals(self, scores: Sequence[DocumentScore]) -> dict[str, float]:
        """The harness's own figures over documents, in their order."""
        aggregations = self._task.aggregation()
        totals: dict[str, float] = {}
        for name in scores[0].values:
            mean = aggregations.get(name.split(",")[0], np.mean)
            totals[name] = float(mean([score.values[name] for score in scores]))
        return totals

    @property
    def _has_own_results(self) -> bool:
        """Whether the task scores documents itself; its values can be anything."""
        from lm_eval.api.task import ConfigurableTask

        replaced = getattr(type(self._task), "process_results", None) is not ConfigurableTask.process_results
        return replaced or self._task.get_config("process_results") is not None

    def _primary(self, metric: str | None) -> str | None:
        known = list(self._task.aggregation())
        if metric is None:
            return next((name for name in PRIMARY if name in known), None)
        if metric.split(",")[0] not in known:
            raise UserError(
                f"{self._key}: the task {self._name!r} has no metric {metric!r}.",
                hint=f"It has {', '.join(known)}.",
            )
        binary = [name for name in known if self._may_be_binary(name)]
        if metric.split(",")[0] not in binary:
            raise UserError(
                f"{self._key}: {metric} of the task {self._name!r} does not say right or wrong, 1 or 0.",
                hint=f"Name another metric: {', '.join(binary)}." if binary else "Choose another task.",
            )
        return metric

    def _may_be_binary(self, metric: str) -> bool:
        """Whether a metric may be 0 or 1 for each document; only scores can tell for a task's own metric."""
        listed = self._task.get_config("metric_list") or []
        functions = [entry["metric"] for entry in listed if callable(entry["metric"])]
        custom = metric in [function.__name__ for function in functions]
        return metric in BINARY or self._has_own_results or custom

    def _counting(self, names: Sequence[str]) -> str | None:
        """Which of these is the primary metric: its first filter's, where it names none."""
        return next((name for name in names if self.primary in (name, name.split(",")[0])), None)


def _aggregations() -> dict[Any, str]:
    """The functions by which the harness makes one figure of all documents, and its names for them."""
    from lm_eval.api.registry import AGGREGATION_REGISTRY

    return {function: name for name, function in AGGREGATION_REGISTRY.items() if name != _MEANINGLESS}
