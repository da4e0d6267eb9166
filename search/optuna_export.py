"""`python -m search.optuna_export search=SEARCH out=FILE.db`: a search as a study for optuna-dashboard."""

from __future__ import annotations

import math
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from search.config.schema import ObjectiveConfig
from search.config.space import CategoricalParameter, ExpressionParameter, Parameter
from search.config.values import uri_problem
from search.errors import TightropeError
from search.judging.constraints import constraint_violations
from search.judging.objectives import metrics_of
from search.output import say
from search.record import SearchState, TrialState
from search.record.events import Scalar
from search.recorded import load, search_folder
from search.schedulers.findings import bound_text
from search.verb import run_verb
from trainables.replacement import replacement

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_USAGE = "usage: python -m search.optuna_export search=SEARCH out=FILE.db"
_MARK = "tightrope search"
_PARAMETERS: TypeAdapter[dict[str, Parameter]] = TypeAdapter(dict[str, Parameter])


class ExportError(TightropeError):
    """The study cannot be written there."""

    exit_code = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        Exit code: 0 where the study was written; 1 or 2 where it was not, and a line says why.
    """
    return run_verb(arguments, f"{__doc__}\n\n{_USAGE}", _export)


def _export(words: list[str]) -> int:
    options = _options(words)
    folder = search_folder(options["search"])
    count = export(folder, Path(options["out"]).expanduser())
    say(f"{count} trials are in {options['out']}; open it with:")
    say(f"  optuna-dashboard {_url(Path(options['out']).expanduser())}")
    say("(optuna-dashboard is a separate package: pip install optuna-dashboard)")
    return 0


def _options(words: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in ("search", "out") or not (equals and value):
            raise ExportError(f"{word!r} is neither search=SEARCH nor out=FILE.db", hint=_USAGE)
        if (problem := uri_problem(value)) is not None:
            raise ExportError(f"{key}: {problem[0]}", hint=problem[1])
        options[key] = value
    for key in ("search", "out"):
        if key not in options:
            raise ExportError(f"{key}= is missing", hint=_USAGE)
    return options


def export(folder: Path, out: Path) -> int:
    """Writes a search as an Optuna study into a SQLite file; an earlier export of it there is replaced.

    The study bears the search's name. Every trial is one of the study's: completed ones COMPLETE with their
    values and constraints, stopped ones PRUNED, the other finished ones FAIL. What was measured at each rung
    and by repetitions with new seeds, the trial's number, its status and the reason are user attributes. The
    base model and the search's identifier are attributes of the study.

    Args:
        folder: The search's folder.
        out: The file.

    Returns:
        Number of trials.

    Raises:
        RecordError: There is no record, or a damaged one.
        ExportError: `out` holds something else, or cannot be written.
    """
    state = load(folder)
    if os.path.lexists(out) and not _is_export(out):
        raise ExportError(
            f"{out} exists and is not an export of a search", hint="Give another file, or remove this one."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacement(out) as part:
            part.touch()
            try:
                _write(state, part)
            finally:
                with suppress(OSError):
                    part.with_name(f"{part.name}-journal").unlink(missing_ok=True)
    except OSError as error:
        problem = error.strerror or str(error)
        raise ExportError(f"{out} cannot be written ({problem})", hint="Give another file.") from error
    return len(_searched(state))


def _searched(state: SearchState) -> list[TrialState]:
    """The trials of the search itself: a repetition is another run of one of them."""
    return [trial for trial in state.trials.values() if trial.confirms is None]


def _is_export(path: Path) -> bool:
    """Whether a file is a database with studies of searches alone."""
    query = "select count(*), count(a.study_id) from studies s left join study_user_attributes a "
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            studies, marked = connection.execute(
                f"{query} on a.study_id = s.study_id and a.key = ?", (_MARK,)
            ).fetchone()
    except sqlite3.Error:
        return False
    return bool(studies == marked == 1)


def _write(state: SearchState, path: Path) -> None:
    # Optuna and SQLAlchemy take seconds to import, which a wrong argument need not wait for.
    import optuna
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    from search.searchers.optuna_terms import directions, experimental

    assert state.started is not None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objectives = [ObjectiveConfig.model_validate(data) for data in state.started.config["objectives"]]
    parameters = _PARAMETERS.validate_python(state.started.config["parameters"])
    encoders = {
        name: _Encoder(parameter)
        for name, parameter in parameters.items()
        if not isinstance(parameter, ExpressionParameter)
    }
    storage = None
    try:
        storage = RDBStorage(_url(path))
        study = optuna.create_study(
            storage=storage, study_name=str(state.started.config["name"]), directions=directions(objectives)
        )
        with experimental():
            study.set_metric_names([objective.metric for objective in objectives])
        study.set_user_attr(_MARK, state.started.search_id)
        if "base" in state.baselines:
            study.set_user_attr("base model", _plain(state.baselines["base"].metrics))
        study.add_trials([_freeze(state, trial, objectives, encoders) for trial in _searched(state)])
    except (SQLAlchemyError, StorageInternalError) as error:
        raise OSError(_first_line(error)) from error
    finally:
        if storage is not None:
            storage.engine.dispose()


def _first_line(error: Exception) -> str:
    """What the database itself said, without the statement that it was asked."""
    cause = error.__cause__ if error.__cause__ is not None else error
    return str(getattr(cause, "orig", None) or cause).partition("\n")[0]


def _url(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"


def _freeze(
    search: SearchState,
    trial: TrialState,
    objectives: Sequence[ObjectiveConfig],
    encoders: dict[str, _Encoder],
) -> FrozenTrial:
    from optuna.trial import TrialState as State
    from optuna.trial import create_trial

    last = metrics_of(trial)
    values = [last.get(objective.metric, math.nan) for objective in objectives]
    state = {"running": State.RUNNING, "completed": State.COMPLETE, "stopped": State.PRUNED}.get(
        trial.status, State.FAIL
    )
    if state == State.COMPLETE and not all(map(math.isfinite, values)):
        state = State.FAIL
    sampled = trial.proposed.sampled
    frozen = create_trial(
        state=state,
        values=values if state == State.COMPLETE else None,
        params={name: encoders[name].encode(value) for name, value in sampled.items()},
        distributions={name: encoders[name].distribution for name in sampled},
        user_attrs=_attributes(trial, _repetitions(search, trial), objectives),
        constraints=_constraints(objectives, last) if state == State.COMPLETE else None,
    )
    frozen.datetime_start = datetime.fromtimestamp(trial.proposed.time)
    frozen.datetime_complete = datetime.fromtimestamp(trial.finished.time) if trial.finished else None
    return frozen


def _constraints(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> dict[str, float]:
    """By how much each constraint is violated; at most 0 where it is kept."""
    return {
        bound_text(objective): violation
        for objective in objectives
        for violation in constraint_violations([objective], metrics)
    }


def _repetitions(state: SearchState, trial: TrialState) -> list[TrialState]:
    return [other for other in state.trials.values() if other.confirms == trial.number]


def _attributes(
    trial: TrialState, repetitions: Sequence[TrialState], objectives: Sequence[ObjectiveConfig]
) -> dict[str, Any]:
    """What was measured at each rung and by repetitions, and how the trial ended."""
    attributes: dict[str, Any] = {
        "trial": trial.number,
        "status": trial.status,
        "origin": trial.proposed.origin,
    }
    if trial.finished is not None:
        attributes["reason"] = trial.finished.reason
    for rung in trial.rungs:
        for objective in objectives:
            if objective.metric in rung.metrics:
                attributes[f"{objective.metric} at step {rung.step}"] = rung.metrics[objective.metric]
    for number, repetition in enumerate(repetitions, 1):
        attributes[f"repetition {number}"] = f"trial {repetition.number}, {repetition.status}"
        for objective in objectives:
            if repetition.last is not None and objective.metric in repetition.last.metrics:
                value = repetition.last.metrics[objective.metric]
                attributes[f"{objective.metric} in repetition {number}"] = value
    return _plain(attributes)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values that any reader of JSON takes: NaN and Inf as text."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


class _Encoder:
    """A parameter's Optuna distribution with its choices as they are, and values of it."""

    def __init__(self, parameter: Parameter) -> None:
        from optuna.distributions import CategoricalDistribution

        from search.searchers.optuna_terms import Codec

        assert not isinstance(parameter, ExpressionParameter)
        self.distribution: BaseDistribution = Codec(parameter).distribution
        # Optuna cannot tell choices apart that are equal in Python, as 1 and true are.
        self._as_text = False
        if isinstance(parameter, CategoricalParameter):
            self._as_text = len(set(parameter.choices)) < len(parameter.choices)
            self.distribution = CategoricalDistribution([self.encode(choice) for choice in parameter.choices])

    def encode(self, value: Scalar) -> Scalar:
        return repr(value) if self._as_text else value


if __name__ == "__main__":
    sys.exit(main())
