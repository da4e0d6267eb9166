"""What a metric and a task of a user are, and the registries of those that installed packages bring.

A package brings one by an entry point of the group `tightrope.metrics` or `tightrope.tasks`, which names a
module that registers it when it is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from trainables.errors import UserError
from trainables.own.code import load_function, named_in
from trainables.registry import Registry

Question: TypeAlias = Mapping[str, Any]
"""A question: the keys of its record (`question`, `answer`, `options` where it has some), and `skill`."""

MetricFunction: TypeAlias = Callable[[Sequence[Question], Sequence[str], Sequence[str]], Iterable[float]]
"""Gives each question a number, from the questions, the replies to them and the base model's replies."""

TaskFunction: TypeAlias = Callable[[], Iterable[Mapping[str, Any]]]
"""Yields records to train on, in any form of data."""

METRIC_FUNCTIONS: Registry[MetricFunction] = Registry("metric function", "tightrope.metrics")
TASK_FUNCTIONS: Registry[TaskFunction] = Registry("task function", "tightrope.tasks")

TASK = "task:"
"""How a source of data begins that is a task of an installed package."""


def metric_function(source: str, digest: str | None = None) -> MetricFunction:
    """The metric that a source names, in a process that may run its file.

    Args:
        source: `FILE.py:FUNCTION`, or the name of one of an installed package.
        digest: Of a function of a file, as `load_function` has it.

    Raises:
        UserError: It cannot be loaded.
    """
    if (named := named_in(source)) is not None:
        return load_function(named, digest)
    if source not in METRIC_FUNCTIONS:
        raise UserError(f"There is no installed metric {source!r}{METRIC_FUNCTIONS.suggestion(source)}.")
    return METRIC_FUNCTIONS[source]
