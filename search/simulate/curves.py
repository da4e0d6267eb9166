"""Learning curves for simulations: what a trial measures at its rungs, and how long it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Any, Protocol, TypeAlias

from search.record import BaselineMeasured, RungReached, SearchState, TrialState
from search.record.events import Scalar
from trainables.measured import Trained
from trainables.messages import Outcome, Reply, TrainRequest

_Key: TypeAlias = tuple[tuple[str, str], ...]

_BROKE: dict[tuple[str, str | None], Outcome] = {
    ("diverged", "diverged"): "diverged",
    ("infeasible", "out_of_memory"): "out_of_memory",
    ("failed", "user"): "user",
}
"""Endings that a trial of this configuration has in any case, by status and failure class."""


class Curves(Protocol):
    """Answers requests as a worker group would. Equal requests get equal replies."""

    @property
    def baseline(self) -> BaselineMeasured | None:
        """The base model's measurements, where there are any; without them there is no retention."""
        ...

    def reply(self, request: TrainRequest) -> Reply | None:
        """What training to `request.to_step` gives and takes; None where that is not known."""
        ...


class RecordedCurves:
    """The curves of a search that was run.

    A request is answered from the recorded trial of the same sampled parameters: the one with the same seed
    where there is one, else one of those of the search phase, chosen by the request's trial number. So
    repetitions with new seeds, which have no curve of their own, must not be simulated:
    `confirm.candidates` is to be 0.

    A slice takes the recorded shares of training time of all recorded rungs that it spans, and the
    evaluation time of its end alone. Of a slice in which a trial diverged or did not fit, no time was
    recorded: the median training time of the other trials' slices to that step is taken.

    Beyond the last rung of a trial that was stopped, lost or not finished, nothing is known.

    Args:
        state: The search.
    """

    def __init__(self, state: SearchState) -> None:
        self._state = state
        self._names = {name for trial in state.trials.values() for name in trial.proposed.sampled}
        self._exact: dict[tuple[_Key, Scalar], int] = {}
        self._repeats: defaultdict[_Key, list[int]] = defaultdict(list)
        seconds: defaultdict[int, list[float]] = defaultdict(list)
        for trial in state.trials.values():
            key = self._key(trial.params)
            self._exact.setdefault((key, trial.params.get("seed")), trial.number)
            if trial.confirms is None:
                self._repeats[key].append(trial.number)
            for rung in trial.rungs:
                seconds[rung.step].append(rung.train_seconds)
        self._median = {step: median(values) for step, values in seconds.items()}

    @property
    def baseline(self) -> BaselineMeasured | None:
        """The recorded base model."""
        return self._state.baselines.get("base")

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps at which anything was measured, ascending."""
        return tuple(sorted(self._median))

    def trial_of(self, number: int, params: Mapping[str, Scalar]) -> TrialState | None:
        """The recorded trial whose curve a simulated trial has; None where there is none like it.

        Args:
            number: Number of the simulated trial.
            params: Every parameter of it.
        """
        key = self._key(params)
        exact = self._exact.get((key, params.get("seed")))
        if exact is not None:
            return self._state.trials[exact]
        repeats = self._repeats.get(key, [])
        return self._state.trials[repeats[number % len(repeats)]] if repeats else None

    def reply(self, request: TrainRequest) -> Reply | None:
        """What was recorded; None beyond that."""
        trial = self.trial_of(request.trial, request.params)
        if trial is None:
            return None
        spanned = [rung for rung in trial.rungs if request.from_step < rung.step <= request.to_step]
        if spanned and spanned[-1].step == request.to_step:
            return _last_reply(spanned)
        return self._broken_reply(trial, spanned, request)

    def _key(self, params: Mapping[str, Scalar]) -> _Key:
        # repr, because 1, 1.0 and True are different values.
        return tuple(sorted((name, repr(params[name])) for name in self._names if name in params))

    def _broken_reply(
        self, trial: TrialState, spanned: list[RungReached], request: TrainRequest
    ) -> Reply | None:
        ended = trial.finished
        outcome = None if ended is None else _BROKE.get((ended.status, ended.failure_class))
        if ended is None or outcome is None:
            return None
        reached = trial.last.step if trial.last else 0
        last_slice = next((step for step in self.steps if step > reached), request.to_step)
        return Reply(
            outcome,
            message=ended.reason,
            step=reached,
            metrics=dict(ended.metrics),
            train_seconds=sum(rung.train_seconds for rung in spanned) + self._median.get(last_slice, 0.0),
        )


def _last_reply(spanned: list[RungReached]) -> Reply:
    last = spanned[-1]
    summed: dict[str, Any] = {
        "curve": [pair for rung in spanned for pair in rung.curve],
        "train_seconds": sum(rung.train_seconds for rung in spanned),
        "tokens": sum(rung.tokens for rung in spanned),
        "items": {},
        "values": {},
        "items_file": None,
        "eval_parts": {},
    }
    return Reply("ok", **(last.as_fields(Trained) | summed))
