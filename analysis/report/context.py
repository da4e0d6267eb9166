"""What cards read: a search, its folder, and what several of them need of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.described import skills_of, worth_showing
from analysis.report.groups import distinct
from analysis.summary import summarise
from search.config.schema import ObjectiveConfig
from search.errors import TightropeError
from search.judging.causes import cause_of
from search.judging.objectives import completed_trials, is_broken, metrics_of, objectives_of, search_trials
from search.judging.pareto import ParetoTrial, pareto_front
from search.record import BaselineMeasured, RungReached, SearchState, TrialState
from search.record.events import RecordedMetric, RecordedTrainable
from search.record.explained import explained, kept_metric, metric_of, ratios
from trainables.interval import Interval
from trainables.text import map_text
from trainables.trainable import BASE

if TYPE_CHECKING:
    from analysis.investigate.study import Measured, Study


@dataclass(frozen=True)
class Context:
    """A search that has begun.

    Attributes:
        state: As recorded.
        folder: The search's folder; paths in the record are relative to it.
        other: Another search to compare with, and its folder.
        redact: Takes out of a text what must not be shown; nothing else of `state` and `other` is kept.
    """

    state: SearchState
    folder: Path
    other: tuple[SearchState, Path] | None = None
    redact: Callable[[str], str] = str

    def __post_init__(self) -> None:
        # Here, and not in the finished page: plots are packed there, and a text that is cut may have lost
        # what shows that it holds a secret.
        object.__setattr__(self, "state", map_text(self.state, self.redact))
        object.__setattr__(self, "other", map_text(self.other, self.redact))

    @property
    def config(self) -> Mapping[str, Any]:
        """The recorded configuration."""
        assert self.state.started is not None
        return self.state.started.config

    @cached_property
    def summary(self) -> dict[str, Any]:
        """As `analysis.summary.summarise` gives it."""
        return summarise(self.state, self.folder)

    @cached_property
    def objectives(self) -> tuple[ObjectiveConfig, ...]:
        """As configured."""
        return objectives_of(self.state)

    @cached_property
    def directions(self) -> dict[str, str]:
        """ "min" or "max" by metric, of the objectives."""
        return {objective.metric: objective.direction for objective in self.objectives}

    @cached_property
    def front(self) -> tuple[ParetoTrial, ...]:
        """Pareto-optimal trials."""
        return pareto_front(self.state)

    @property
    def base(self) -> BaselineMeasured | None:
        """The untouched model, where it was measured."""
        return self.state.baselines.get(BASE)

    @property
    def baselines(self) -> dict[str, BaselineMeasured]:
        """All references, by what the report calls them; the untouched model first."""
        ordered = sorted(self.state.baselines.items(), key=lambda item: item[0] != BASE)
        return {"base model" if name == BASE else f"baseline {name}": each for name, each in ordered}

    @cached_property
    def trials(self) -> list[TrialState]:
        """Trials of the search phase, by number; no repetitions."""
        return search_trials(self.state)

    @cached_property
    def completed(self) -> list[TrialState]:
        """Those at the full budget."""
        return completed_trials(self.state)

    @cached_property
    def judged(self) -> list[TrialState]:
        """Those at the full budget, and those that broke before it, by their last measurement.

        A trial that the scheduler stopped is not among them: what it would have kept is not known. One
        that a guard stopped was stopped for being broken, and its last measurement shows that. One that
        did not fit into memory says nothing about its model.
        """
        done = {trial.number for trial in self.completed}
        return [
            trial
            for trial in self.trials
            if trial.number in done or (is_broken(trial) and trial.status != "infeasible")
        ]

    def left(self, trial: TrialState) -> float:
        """What the trial keeps, in the metric `kept`; 0 where its training diverged, NaN where unknown."""
        if trial.status == "diverged":
            return 0.0
        return math.nan if self.kept is None else value(trial, self.kept)

    @property
    def rungs(self) -> list[RungReached]:
        """Every rung of every trial of the search phase."""
        return [rung for trial in self.trials for rung in trial.rungs]

    @property
    def recommended(self) -> int | None:
        """Number of the recommended trial."""
        best = self.summary["recommended"]
        return None if best is None else int(best["trial"])

    @cached_property
    def loss(self) -> str:
        """The metric that stands for the training's own success: the first minimised objective."""
        return next(
            (objective.metric for objective in self.objectives if objective.direction == "min"), "train_loss"
        )

    @cached_property
    def trainable(self) -> RecordedTrainable:
        """What explains the trainable."""
        assert self.state.started is not None
        return explained(self.state.started)

    @property
    def skills(self) -> list[Mapping[str, Any]]:
        """The evaluated skills, as configured; empty if the trainable has no questions."""
        return skills_of(self.config)

    @cached_property
    def relative(self) -> RecordedMetric | None:
        """The metric that says what is kept of what the base could do, such as capability."""
        return kept_metric(self.trainable, [objective.metric for objective in self.objectives])

    @property
    def ratio(self) -> str | None:
        """The name of its ratio to the base, such as retention."""
        return None if self.relative is None else self.relative.relative

    @cached_property
    def kept(self) -> str | None:
        """The metric of what the model keeps: the ratio, or its metric without a base; None without both."""
        if self.relative is None:
            return None
        return next((name for name in (self.ratio, self.relative.name) if name and self._has(name)), None)

    @property
    def keeps_ratio(self) -> bool:
        """Whether what the model keeps is known as a share of what the base could do."""
        return self.kept is not None and self.kept == self.ratio

    @cached_property
    def compared(self) -> list[str]:
        """What is kept, then the other ratios to the base, as far as a trial has them."""
        names = [self.kept, *ratios(self.trainable)]
        return list(dict.fromkeys(name for name in names if name is not None and self._has(name)))

    def _has(self, metric: str) -> bool:
        return any(math.isfinite(value(trial, metric)) for trial in self.trials)

    @property
    def terms(self) -> dict[str, str]:
        """What the titles of cards have in braces: the artifact's name, and the metric that is kept."""
        score = "what is kept" if self.relative is None else self.relative.name
        return {"artifact": self.trainable.artifact, "score": score}

    def sample(self, metric: str | None) -> str:
        """What intervals of a metric count, in the plural."""
        described = None if metric is None else metric_of(self.trainable, metric)
        return "items" if described is None else described.sample

    def samples(self, metrics: Iterable[str]) -> list[str]:
        """What intervals of these metrics count, each once."""
        known = (metric_of(self.trainable, name) for name in metrics)
        return list(dict.fromkeys(metric.sample for metric in known if metric is not None)) or ["items"]

    def less_is_better(self, metric: str) -> bool:
        """Whether a lower value is better; of what nothing says which way is better, a lower one too."""
        if metric in self.directions:
            return self.directions[metric] == "min"
        described = metric_of(self.trainable, metric)
        return described is None or described.direction != "max"

    @cached_property
    def shown_metrics(self) -> list[str]:
        """Objectives first, then the metrics most worth a look, as far as a trial has them."""
        names = [objective.metric for objective in self.objectives]
        names += worth_showing(self.trainable).report
        known = {name for trial in self.trials for name in metrics_of(trial)}
        return [name for name in dict.fromkeys(names) if name in known]

    @cached_property
    def parameters(self) -> dict[str, list[Any]]:
        """Sampled parameters that vary, with the distinct values that were tried."""
        sampled: dict[str, list[Any]] = {}
        for trial in self.trials:
            for name, value in trial.proposed.sampled.items():
                sampled.setdefault(name, []).append(value)
        different = {name: distinct(values) for name, values in sampled.items()}
        return {name: values for name, values in different.items() if len(values) > 1}

    @cached_property
    def study(self) -> Study:
        """The search as the investigation reads it, with the answers to single questions.

        Raises:
            TightropeError: The learning rate is no number in every trial.
            OSError: Answers cannot be read.
            ValueError: Likewise.
        """
        from analysis.investigate.from_search import (
            from_search,
        )  # here, so that a fault in it is a card's own

        return from_search(self.state, self.folder, group="rank" if "rank" in self.parameters else None)

    @cached_property
    def measured(self) -> dict[int | None, Measured]:
        """What the study holds of each trial's last evaluation, and of the base model under None.

        Empty where there is no study.
        """
        try:
            study = self.study
        except (TightropeError, OSError, ValueError):
            return {}
        measured: dict[int | None, Measured] = {} if study.base is None else {None: study.base}
        by_label = {case.label: case.last for case in study.cases}
        for trial in self.trials:
            if (model := by_label.get(f"trial {trial.number}")) is not None:
                measured[trial.number] = model
        return measured

    def cause(self, trial: TrialState) -> str | None:
        """What ended the trial early."""
        return cause_of(trial)


def value(trial: TrialState, metric: str) -> float:
    """A metric as the trial measured it last; NaN where it did not."""
    return metrics_of(trial).get(metric, math.nan)


def interval(trial: TrialState, metric: str) -> Interval | None:
    """Its 95% interval over the items of the evaluation."""
    return trial.measured.intervals.get(metric) if trial.measured else None


def base_value(context: Context, metric: str) -> float:
    """A metric of the base model; NaN where it was not measured."""
    base = context.base
    return math.nan if base is None else base.metrics.get(metric, math.nan)
