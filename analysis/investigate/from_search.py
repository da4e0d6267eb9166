"""A recorded search as something to investigate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from analysis.described import section_name, skills_of
from analysis.investigate.answers import Answers, read_answers
from analysis.investigate.errors import InputError
from analysis.investigate.study import Case, Measured, Share, Study
from search.judging.confirmation import confirmation
from search.judging.objectives import objectives_of, search_trials
from search.judging.recommend import recommend
from search.judging.rungs import is_by_trial
from search.record import BaselineMeasured, RungReached, SearchState, TrialState
from search.record.explained import explained, kept_metric
from trainables.messages import TRAIN_LOSS
from trainables.nearest import did_you_mean

BASE = "base"
_SUFFIXES = ("generation", "likelihood", "unparseable", "leaking")


def from_search(
    state: SearchState, folder: Path | None, parameter: str = "lr", group: str | None = "rank"
) -> Study:
    """The search's trials, each with all its rungs, and its base model.

    Args:
        state: A search that has begun.
        folder: Its folder, in which per-item files are looked for; None reads none.
        parameter: The parameter under investigation; a number in every trial.
        group: The parameter whose values are looked at one by one, if trials have it.

    Raises:
        InputError: There is no such parameter, the parameter is no number, or its trials are not
            evaluated on questions.
    """
    assert state.started is not None
    trials = search_trials(state)
    config = state.started.config
    score = _score(state)
    _refuse(parameter, trials, config["name"])
    measure = _Measure(folder, _loss_metric(state), score, _primary(config), _late(config))
    base = state.baselines.get(BASE)
    grouped = group if group != parameter and any(group in trial.params for trial in trials) else None
    measured_base = None if base is None else measure(base, with_answers=True)
    cases = [_case(trial, parameter, grouped, measure) for trial in trials if trial.measured]
    recommended = recommend(state).trial
    return Study(
        name=f"{config['name']} ({section_name(config, 'model') or config['trainable']})",
        parameter=parameter,
        group=grouped,
        cases=tuple(case for case in cases if math.isfinite(case.last.capability)),
        base=measured_base,
        budget=None if is_by_trial(state) else config["budget"]["steps"],
        unmeasured=tuple((t.status, float(t.params[parameter] or 0)) for t in trials if not t.measured),
        preferred=None if recommended is None else f"trial {recommended}",
        ruled_out=_ruled_out(state),
        fingerprints={} if base is None else base.fingerprints,
        notes=measure.notes,
    )


def _ruled_out(state: SearchState) -> frozenset[str]:
    confirmed = confirmation(state)
    candidates = confirmed.candidates if confirmed else ()
    return frozenset(
        f"trial {candidate.trial}" for candidate in candidates if not (candidate.keeps or candidate.missing)
    )


class _Measure:
    """Turns events into measurements; per-item files are read for the last rung only."""

    def __init__(
        self, folder: Path | None, loss: str, score: str, primary: Mapping[str, str], late: frozenset[str]
    ) -> None:
        self._folder, self._loss, self._score = folder, loss, score
        self._primary, self._late = primary, late
        self._notes: list[str] = []
        self._missing: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read."""
        if not self._missing:
            return tuple(self._notes)
        first, *others = self._missing
        more = f" and {len(others)} more" if others else ""
        gone = f"Recorded answer files are missing: {first}{more}. The checks run without them."
        return (*self._notes, gone)

    def __call__(self, event: RungReached | BaselineMeasured, with_answers: bool) -> Measured:
        # Skills of only some trials do not count: models would be compared on different questions.
        metrics = {name: metric for name, metric in event.metrics.items() if not self._is_late(name)}
        intervals = event.intervals
        n = {name: interval.n for name, interval in intervals.items()}
        answers = self._answers(event) if with_answers else {}
        bits = {name: text for name, text in event.items.items() if name in self._primary}
        return Measured(
            step=event.step if isinstance(event, RungReached) else 0,
            loss=metrics.get(self._loss, math.nan),
            capability=metrics.get(self._score, math.nan),
            n=n.get(self._score),
            bits=bits or self._bits(answers),
            shares=_shares(metrics, n),
            unparseable={
                name.removesuffix("_unparseable"): Share(value, n.get(name))
                for name, value in metrics.items()
                if name.endswith("_unparseable")
            },
            metrics=metrics,
            answers=answers,
        )

    def _answers(self, event: RungReached | BaselineMeasured) -> Mapping[tuple[str, str], Answers]:
        if event.items_file is None or self._folder is None:
            return {}
        if not (self._folder / event.items_file).is_file():
            self._missing.append(event.items_file)
            return {}
        try:
            answers = read_answers(self._folder / event.items_file)
            asked = self._primary.keys() - self._late
            return {key: answer for key, answer in answers.items() if key[0] in asked}
        except InputError as error:
            self._notes.append(f"{error.message} The checks run without these answers.")
            return {}

    def _is_late(self, metric: str) -> bool:
        # The longest name: a skill may be named like the beginning of another.
        skills = [skill for skill in self._primary if metric.startswith(f"{skill}_")]
        return max(skills, key=len, default="") in self._late

    def _bits(self, answers: Mapping[tuple[str, str], Answers]) -> dict[str, str]:
        return {
            skill: "".join("01"[bool(right)] for right in answer.right)
            for (skill, scoring), answer in answers.items()
            if self._primary.get(skill) == scoring
        }


def _case(trial: TrialState, parameter: str, group: str | None, measure: _Measure) -> Case:
    rungs = [rung for rung in trial.rungs if rung.measured]
    key = trial.params.get(group) if group else None
    return Case(
        label=f"trial {trial.number}",
        x=float(trial.params[parameter] or 0),
        group=key if isinstance(key, int | float | str) else None if key is None else str(key),
        params=dict(trial.proposed.sampled),
        measured=tuple(measure(rung, with_answers=rung is rungs[-1]) for rung in rungs),
        ended=_ended(trial.status),
        settings=trial.params,
    )


def _ended(status: str) -> Literal["completed", "stopped", "failed", "running"]:
    match status:
        case "completed" | "failed" | "running":
            return status
    return "stopped"


def _shares(metrics: Mapping[str, float], n: Mapping[str, int]) -> dict[str, Share]:
    """Means over the skills that are scored in the way; generation only of those scored both ways."""
    of = {way: {k.removesuffix(f"_{way}") for k in metrics if k.endswith(f"_{way}")} for way in _SUFFIXES}
    of["generation"] = of["likelihood"] = of["generation"] & of["likelihood"]
    shares = {}
    for way, skills in of.items():
        names = [f"{skill}_{way}" for skill in sorted(skills)]
        if names:
            counts = [n.get(name) for name in names]
            total = sum(count for count in counts if count is not None) if all(counts) else None
            shares[way] = Share(sum(metrics[name] for name in names) / len(names), total)
    if "unparseable" in shares:
        leaking = shares.get("leaking", Share(0.0)).value
        shares["unread"] = Share(shares["unparseable"].value + leaking, shares["unparseable"].n)
    return shares


def _loss_metric(state: SearchState) -> str:
    for objective in objectives_of(state):
        if objective.direction == "min" and "loss" in objective.metric:
            return objective.metric
    return TRAIN_LOSS


def _score(state: SearchState) -> str:
    """The metric of answers to questions that is compared with the base model's.

    Raises:
        InputError: No questions are put.
    """
    assert state.started is not None
    config = state.started.config
    kept = kept_metric(explained(state.started), [objective.metric for objective in objectives_of(state)])
    if kept is None or not skills_of(config):
        raise InputError(
            f"Trials of {config['trainable']} are not evaluated on questions: there is nothing to check.",
            hint=f"python -m analysis.report shows what search {config['name']} has measured.",
        )
    return kept.name


def _primary(config: Mapping[str, object]) -> dict[str, str]:
    return {skill["name"]: skill["scoring"][0] for skill in skills_of(config)}


def _late(config: Mapping[str, object]) -> frozenset[str]:
    """Skills that are evaluated only at the end."""
    return frozenset(s["name"] for s in skills_of(config) if s.get("at", "every") != "every")


def _refuse(parameter: str, trials: Sequence[TrialState], name: str) -> None:
    known = list(dict.fromkeys(key for trial in trials for key in trial.params))
    if trials and parameter not in known:
        hint = did_you_mean(parameter, known)
        raise InputError(f"Search {name} has no parameter {parameter!r}.", hint=f"{hint}")
    for trial in trials:
        value = trial.params.get(parameter)
        if isinstance(value, bool | str) or value is None:
            raise InputError(
                f"Search {name}: parameter {parameter!r} is {value!r} in trial {trial.number}, not a number.",
                hint="Choose a parameter that has an order: --parameter NAME.",
            )
