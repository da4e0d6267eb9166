"""A budget in epochs as optimizer steps. Light until there is something to count."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter
from search.config.wording import config_error
from search.errors import Problem
from search.trial_steps import TrialSteps, trial_steps
from trainables.errors import UserError
from trainables.settings import LARGEST
from trainables.specs import TRAINABLES


@dataclass(frozen=True)
class Counted:
    """A configuration whose budget is in steps.

    Attributes:
        sentence: How they were counted, if they were.
        trials: The steps of trials, where each has its own number.
    """

    config: SearchConfig
    sentence: str | None = None
    trials: TrialSteps | None = None


def in_steps(config: SearchConfig) -> Counted:
    """Reads the training data as the workers will, and counts the steps of `budget.epochs` or of each trial.

    Steps are what everything after this goes by: rungs, schedules, the record. An epoch visits each training
    example once; the last batch of the budget may begin another one.

    Raises:
        ConfigError: The data or the tokenizer cannot be read, the steps have no room for the rungs, or some
            trials of the space could not be trained.
    """
    budget = config.budget
    if budget.by_trial:
        trials = trial_steps(config)
        return Counted(config, trials.sentence, trials)
    if budget.epochs is None:
        return Counted(config)
    count = TRAINABLES[config.trainable].examples
    if count is None:
        raise _wrong(f"the trainable {config.trainable} has no epochs", "Give budget.steps.")
    try:
        examples = count(config.options, config.seed)
    except UserError as error:
        raise _wrong(f"the training examples cannot be counted: {error.message}", error.hint) from error
    batch = _batch_size(config)
    steps = math.ceil(budget.epochs * examples / batch)
    times = f"{budget.epochs:g} epoch{'' if budget.epochs == 1 else 's'}"
    counted = f"{times} of {examples:,} examples, {batch} a step"
    if not budget.least_steps <= steps <= LARGEST:
        raise _wrong(
            f"{counted}, are {steps:,} steps; {budget.rungs} rungs with eta {budget.eta} need at least "
            f"{budget.least_steps:,}, and the maximum is {LARGEST:,}",
            "Give other epochs, another batch size or fewer rungs (budget.rungs).",
        )
    resolved = config.model_copy(update={"budget": budget.model_copy(update={"steps": steps})})
    return Counted(resolved, f"{counted}: {steps:,} steps")


def _batch_size(config: SearchConfig) -> int:
    """That of every trial: a space that has several is refused with `budget.epochs`."""
    parameter = config.parameters.get("batch_size")
    if isinstance(parameter, CategoricalParameter):
        return int(parameter.choices[0] or 0)
    field = TRAINABLES[config.trainable].parameters.model_fields.get("batch_size")
    if field is None:
        raise _wrong(
            f"the trainable {config.trainable} has no batch_size, which epochs need", "Give budget.steps."
        )
    return int(config.fixed.get("batch_size", field.default) or 0)


def _wrong(message: str, hint: str | None) -> Exception:
    return config_error([Problem("budget.epochs", message, "the training data", hint)])
