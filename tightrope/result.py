"""A search as an object: what it recommends, its trials as a table, its report and its exports."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.markdown import to_markdown
from analysis.render import headline
from analysis.report import FOLDER, write_report
from analysis.summary import summarise
from search.judging.held import Held
from search.judging.pareto import pareto_front
from search.judging.recommend import Recommendation, recommend
from search.record import SearchState, TrialState
from search.record.events import Params
from search.redact import redact, redacted
from trainables.interval import Interval
from trainables.text import printable

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Trial:
    """A trial, as far as it has come.

    Attributes:
        number: From 0.
        status: "running", "completed", "stopped", "cancelled", "diverged", "infeasible" or "failed".
        params: Every parameter.
        step: Optimizer steps done.
        metrics: At its last rung, by name.
        intervals: 95% intervals of those that are estimated from a sample.
        artifact: Folder of what it left behind, such as the adapter; None before its first rung.
        repeats: Number of the trial that it repeats with another seed, where it is a confirmation.
        kept: Of the recommended trial: by metric whether each floor and ceiling is "kept", "not shown to be
            kept" or "broken".
    """

    number: int
    status: str
    params: Params
    step: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    artifact: Path | None
    repeats: int | None
    kept: Mapping[str, str] = field(default_factory=dict)


class Result:
    """A search that has begun.

    Args:
        state: As recorded.
        folder: Its folder.

    Attributes:
        folder: Its folder.
    """

    def __init__(self, state: SearchState, folder: Path) -> None:
        self.folder = folder
        self._state = state

    def __repr__(self) -> str:
        return f"<{printable(headline(self.summary))}>"

    def _repr_markdown_(self) -> str:
        """The summary, in notebooks."""
        return to_markdown(self.summary)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary as plain data, without credentials; NaN and Inf are strings."""
        return redacted(summarise(self._state, self.folder))

    @property
    def name(self) -> str:
        """Of the search."""
        return str(self.summary["search"]["name"])

    @property
    def ended(self) -> str | None:
        """ "finished", "interrupted" or "failed"; None where it runs or was killed."""
        return None if self._state.ended is None else self._state.ended.reason

    @cached_property
    def _recommendation(self) -> Recommendation:
        return recommend(self._state)

    @property
    def best(self) -> Trial | None:
        """The recommended trial; None where there is none, and `reason` says why."""
        choice = self._recommendation
        if choice.trial is None:
            return None
        return replace(self[choice.trial], kept={each.metric: each.word for each in choice.constraints})

    @property
    def reason(self) -> str:
        """Why the recommended trial, or why none."""
        return self._recommendation.reason

    @property
    def constraints(self) -> tuple[Held, ...]:
        """Of each floor and ceiling whether the recommended trial keeps it, in words and numbers."""
        return self._recommendation.constraints

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is uncertain about it, one sentence each."""
        return self._recommendation.caveats

    @property
    def front(self) -> tuple[Trial, ...]:
        """The Pareto-optimal trials."""
        return tuple(self[optimal.number] for optimal in pareto_front(self._state))

    def __getitem__(self, number: int) -> Trial:
        """A trial by its number.

        Raises:
            KeyError: There is none.
        """
        return _trial(self._state.trials[number], self.folder)

    def __len__(self) -> int:
        return len(self._state.trials)

    @property
    def baselines(self) -> dict[str, Mapping[str, float]]:
        """The metrics of the untouched base model, under "base", and of the other baselines."""
        return {name: dict(measured.metrics) for name, measured in self._state.baselines.items()}

    @property
    def trials(self) -> pandas.DataFrame:
        """All trials, repetitions too: a row each, as in the report's trials.csv, by number."""
        from analysis.report.export import table

        frame: pandas.DataFrame = table(self._state).to_pandas()
        return frame.set_index("trial") if len(frame) else frame

    def report(self, out: str | Path | None = None) -> Path:
        """Writes the report: one page that needs no other file, plots and tables.

        Args:
            out: Folder; None takes `report` in the search's folder.

        Returns:
            The page.

        Raises:
            search.errors.RecordError: The folder cannot be written.
        """
        target = self.folder / FOLDER if out is None else Path(out)
        return write_report(self._state, self.folder, None, target, redact)

    def export(self, trial: int | None = None, to: str | Path | None = None, *, merged: bool = False) -> Path:
        """Writes a trial as a folder to load and serve, with the base's tokenizer and a model card.

        Warns where something speaks against using it, such as a floor that it breaks.

        Args:
            trial: Its number; None takes the recommended one.
            to: The folder, which must not exist; None takes `exported/<search>-<trial>`.
            merged: Whether to write the whole model, with the adapter in the base's weights.

        Returns:
            The folder.

        Raises:
            tightrope.export.refused.ExportRefusedError: It cannot be exported, and nothing was written.
        """
        from tightrope.export.choice import choose
        from tightrope.export.folder import default_folder, write_folder

        chosen = choose(self._state, self.folder, trial)
        target = default_folder(chosen, merged) if to is None else Path(to)
        write_folder(chosen, target, merged)
        for warning in chosen.warnings:
            warnings.warn(warning, stacklevel=2)
        return target


def _trial(trial: TrialState, folder: Path) -> Trial:
    last, measured = trial.last, trial.measured
    return Trial(
        number=trial.number,
        status=trial.status,
        params=dict(trial.params),
        step=last.step if last else 0,
        metrics=dict(measured.metrics) if measured else {},
        intervals=dict(measured.intervals) if measured else {},
        artifact=folder / last.checkpoint if last and last.checkpoint else None,
        repeats=trial.confirms,
    )
