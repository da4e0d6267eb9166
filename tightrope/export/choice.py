"""Which trial is exported, and what whoever uses it must know."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.blocks import held_block
from analysis.report.context import Context
from search import wording
from search.judging.constraints import bound_of, constraint_violations, constraints_of
from search.judging.held import held_by_trial
from search.judging.objectives import metrics_of
from search.record import SearchState, TrialState
from search.redact import redact
from tightrope.export.refused import ExportRefusedError
from trainables.contents import files_at
from trainables.nearest import did_you_mean
from trainables.serving.checkpoints import MOMENTS, SUMS, DamagedCheckpointError, check_seal


@dataclass(frozen=True)
class Chosen:
    """A trial that can be exported.

    Attributes:
        recorded: The search that it is of, as recorded.
        context: The same without credentials.
        number: The trial's.
        checkpoint: The folder of what it left behind.
        files: What is exported of that folder, relative to it.
    """

    recorded: SearchState
    context: Context
    number: int
    checkpoint: Path
    files: tuple[Path, ...]

    @property
    def trial(self) -> TrialState:
        """As recorded."""
        return self.context.state.trials[self.number]

    @property
    def recommended(self) -> bool:
        """Whether it is the trial that the search recommends."""
        return self.context.recommended == self.number

    @cached_property
    def config(self) -> dict[str, Any]:
        """The recorded configuration."""
        return dict(self.context.config)

    @cached_property
    def constraints(self) -> list[dict[str, Any]]:
        """What is shown of each floor and ceiling, in the form that the summary has it in."""
        if self.recommended:
            return list(self.context.summary["constraints"])
        held = held_by_trial(self.context.state, self.number)
        return [held_block(each) for each in held if math.isfinite(each.value)]

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against using it, a sentence each."""
        return tuple(_warnings(self))


def choose(state: SearchState, folder: Path, number: int | None = None) -> Chosen:
    """The trial to export, once its files have been checked.

    Args:
        state: A search that has begun.
        folder: Its folder.
        number: Of the trial; None takes the recommended one.

    Raises:
        ExportRefusedError: There is no such trial, it is unfinished, or its files are missing or damaged.
    """
    context = Context(state, folder, redact=redact)
    if number is None:
        number = _recommended(context)
    if number not in state.trials:
        raise ExportRefusedError(
            f"The search has no trial {number}.",
            hint=did_you_mean(str(number), [str(each) for each in state.trials])
            if state.trials
            else "It has no trials yet.",
        )
    trial = state.trials[number]
    if trial.finished is None:
        raise ExportRefusedError(
            f"Trial {number} is unfinished.", hint="Resume the search, or name a trial that has finished."
        )
    if trial.last is None or trial.last.checkpoint is None:
        raise ExportRefusedError(
            f"Trial {number} ended before its first rung ({trial.status}): it left nothing behind.",
            hint="Name a trial that reached a rung.",
        )
    checkpoint = folder / trial.last.checkpoint
    return Chosen(state, context, number, checkpoint, _files(checkpoint, folder, context.trainable.artifact))


def _recommended(context: Context) -> int:
    if context.recommended is not None:
        return context.recommended
    nearest = context.summary["nearest"]
    raise ExportRefusedError(
        f"The search recommends no trial: {context.summary['reason']}",
        hint="Name a trial to export it all the same"
        + ("." if nearest is None else f"; trial {nearest} is the nearest to keeping the constraints."),
    )


def _files(checkpoint: Path, folder: Path, artifact: str) -> tuple[Path, ...]:
    """What is exported of a checkpoint: all but what only its training needs.

    Raises:
        ExportRefusedError: It is missing, damaged, or leads out of the search's folder.
    """
    within = folder.resolve()
    if not checkpoint.is_dir():
        raise ExportRefusedError(
            f"The {artifact} is missing: there is no folder {checkpoint}.",
            hint="Copy the whole folder of the search to this machine.",
        )
    try:
        check_seal(checkpoint)
    except (DamagedCheckpointError, OSError) as error:
        raise ExportRefusedError(
            f"The {artifact} is damaged: {error}.", hint="Restore it from a copy of the search's folder."
        ) from error
    files = [file for file in files_at(checkpoint) if file.name not in (MOMENTS, SUMS)]
    if astray := [file for file in files if not file.resolve().is_relative_to(within)]:
        raise ExportRefusedError(f"{astray[0]} leads out of the search's folder.", hint="Remove the link.")
    if not any(file.suffix == ".safetensors" for file in files):
        raise ExportRefusedError(
            f"The {artifact} is missing: {checkpoint} has no weights.",
            hint="Restore it from a copy of the search's folder.",
        )
    return tuple(file.relative_to(checkpoint) for file in files)


def _warnings(chosen: Chosen) -> Iterator[str]:
    context, trial, number = chosen.context, chosen.trial, chosen.number
    metrics = metrics_of(trial)
    constraints = constraints_of(context.objectives)
    for objective, violation in zip(
        constraints, constraint_violations(context.objectives, metrics), strict=True
    ):
        if violation > 0:
            value = metrics.get(objective.metric)
            measured = (
                "was not measured" if value is None else f"is {wording.beside(value, bound_of(objective), 3)}"
            )
            bound = wording.constraint(objective)
            yield f"Trial {number} breaks a constraint: {objective.metric} {measured}, and must be {bound}."
            continue
        for held in chosen.constraints:
            if held["metric"] == objective.metric and held["word"] == "broken":
                yield f"Trained again, trial {number} breaks {held['constraint']}: {held['measured']}."
            elif held["metric"] == objective.metric and held["word"] != "kept":
                yield f"Trial {number} is not shown to keep {held['constraint']}: {held['measured']}."
    if trial.status != "completed" and trial.last is not None:
        ended = f"it was {trial.status} after step {trial.last.step}"
        yield f"Trial {number} did not reach its full budget: {ended}."
        if trial.measured is not trial.last:
            before = f"last measured at step {trial.measured.step}" if trial.measured else "never measured"
            yield f"Trial {number} was {before}, and these are its weights of step {trial.last.step}."
    if trial.confirms is not None:
        yield f"Trial {number} repeats trial {trial.confirms} with another seed."
    elif not chosen.recommended:
        best = context.recommended
        instead = "recommends none" if best is None else f"recommends trial {best}"
        yield f"Trial {number} is not the recommended one: the search {instead}."
