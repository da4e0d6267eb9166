"""One session of a search: from a valid configuration to the summary, or to an orderly stop."""

from __future__ import annotations

import os
import platform
import signal
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.render import render_summary
from analysis.report import write_report
from analysis.summary import summarise, write_summary
from search.audit.finding import Audit
from search.audit.view import audit_line
from search.baselines import baseline_event, missing_baselines, shown_baseline
from search.cluster import cluster_address, session_folder, start_ray, stop_ray
from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.console import SafeConsole
from search.errors import ClusterError, RecordError, TightropeError
from search.farewell import Farewell
from search.groups.host import WorkerGroups
from search.groups.settings import group_settings
from search.inbox import Inbox
from search.judging.causes import why_all_failed
from search.judging.conclusion import conclusion
from search.judging.hypotheses import hypotheses_of
from search.lifeline import Lifeline, end_process, leave_at_once, tie
from search.machines import Machines
from search.output import complain, say_json, unless_gone
from search.provenance import PREFIX, contents, git_commit, versions
from search.record import Event, RecordWriter, SearchEnded, SearchStarted, SessionStarted
from search.record.explained import explanation
from search.redact import redact
from search.resume import fingerprint, open_record
from search.schedulers import make_scheduler
from search.scratch import clean_up, hold, mark, remember, scratch_folder, sweep
from search.searchers import make_searcher
from search.signals import stop, stop_signals, take_stop_signals
from search.space import SearchSpace
from search.tracking.process import Tracker
from search.tracking.ui import ui_command
from search.trial_steps import TrialSteps
from search.view import View, make_view
from search.view.callbacks import Callback, calling
from search.warm_start import read_warm_start
from search.wording import plural
from trainables.messages import Reply
from trainables.replacement import remove_unfinished
from trainables.specs import TRAINABLES
from trainables.trainable import BASE

_FINISH_SECONDS, _STOPPED_SECONDS = 30.0, 5.0
"""How long MLflow may take to catch up with a search that has ended, and with one that was stopped."""
_SIGNALLED = 128
"""Exit code of a process that a signal has ended, less the signal's number."""


class TrainingError(TightropeError):
    """The worker groups could not come up, or were lost for good."""


@dataclass
class _Session:
    """What the steps of a session share."""

    config: SearchConfig
    folder: Path
    command: str
    record: RecordWriter
    view: View
    conductor: Conductor
    scratch: Path
    steps: TrialSteps | None
    audit: Audit | None
    farewell: Farewell
    lifeline: Lifeline | None = None

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.conductor, self.folder, self.append)

    @property
    def lost(self) -> str | None:
        """The essential part of the Ray cluster that was lost, in words; None while all is there."""
        return None if self.lifeline is None else self.lifeline.lost

    def append(self, event: Event) -> None:
        """Records an event that is not the conductor's own, and takes it into account."""
        self.record.append(event)
        self.conductor.state.apply(event)
        self.view(event)

    def look(self, groups: WorkerGroups | None = None) -> None:
        """Answers requests that have come from other processes.

        Args:
            groups: Train the trials; None while they are coming up.

        Raises:
            KeyboardInterrupt: The search is to end.
        """
        withdraw = groups.withdraw if groups is not None else lambda trial: None
        if self.inbox.look(withdraw, starting=groups is None):
            stop(signal.SIGINT, None)

    def answer_all(self) -> None:
        """The same at once, while no trial is in training."""
        if self.inbox.answer_all():
            stop(signal.SIGINT, None)


def run_search(
    config: SearchConfig,
    command: str,
    as_json: bool,
    steps: TrialSteps | None = None,
    audit: Audit | None = None,
    callbacks: Sequence[Callback] = (),
) -> int:
    """Begins, resumes or extends a search, and runs it to its end.

    Args:
        config: Validated configuration.
        command: Command line that resumes the search, for messages and the record.
        as_json: Print the summary as one line of JSON on standard output, everything else on standard error.
        steps: The steps of trials, where each has its own number.
        audit: What the audit has found, for the record.
        callbacks: See `search.view.callbacks.CallingView`.

    Returns:
        Exit code: 0; 1 where no trial could be trained; 128 + n where signal n has stopped it.

    Raises:
        SpaceChangedError: The folder holds a search of another space, model or data.
        RecordError: Another process is running this search, or its record is damaged.
        TightropeError: It cannot run: cluster, model, data or tracking.
    """
    console = SafeConsole(stderr=as_json)
    recorded = open_record(config)
    config, folder, events = recorded.config, recorded.folder, recorded.events
    with RecordWriter(
        folder, on_wait=lambda text: console.print(text, style="yellow", markup=False)
    ) as record:
        if record.begun_at != recorded.size:
            raise RecordError(f"The search in {folder} has just been written by another process.")
        for parent in (*folder.glob("trials/*/"), folder / "baselines"):
            remove_unfinished(parent)
        view = calling(make_view(console, config, config.trials, live=console.is_terminal), callbacks)
        view.restore(recorded.state)

        def append(event: Event) -> None:
            record.append(event)
            view(event)

        space = SearchSpace(config.parameters, config.fixed)
        conductor = Conductor(
            config,
            space,
            make_searcher(config, space),
            make_scheduler(config),
            append,
            events,
            steps=None if steps is None else steps.of,
        )
        scratch = scratch_folder()
        unsaid = f"error: The search was ended from outside.\n  hint: Resume with: {command}"
        with Farewell(unsaid) as farewell:
            session = _Session(
                config, folder, command, record, view, conductor, scratch, steps, audit, farewell
            )
            code = _run(session)
    with unless_gone(sys.stdout, sys.stderr):
        if conductor.state.started is None:  # stopped in its first moments
            console.print(f"Nothing was trained. Start again with: {command}", markup=False)
            return code
        try:
            summary = write_summary(conductor.state, folder)
        except RecordError as error:
            console.print(str(error), style="yellow", markup=False)
            summary = summarise(conductor.state, folder)
        render_summary(console, summary, ui=ui_command(folder, config.tracking), command=command)
        if as_json:
            say_json(summary)
    return code


def _run(session: _Session) -> int:
    """Trains what is left; returns the exit code."""
    state = session.conductor.state
    tracker = Tracker(session.folder, session.config.tracking)
    if (code := _ended_before(session)) is not None:
        clean_up(session.scratch, session.folder)
        if tracker.catch_up():
            session.view.note("bringing MLflow up to date")
            _wait_for(tracker, session, _FINISH_SECONDS)
        return code
    session.view.start()
    if session.audit is not None:
        session.view.note(audit_line(session.audit))
    failed = True
    try:
        outcome = _attempt(session, tracker)
        failed = outcome.failure is not None
    finally:
        with stop_signals(signal.SIG_IGN):
            if session.lost is None:
                stop_ray(keep_files=failed)
            else:
                leave_at_once()
            clean_up(session.scratch, session.folder, kept=failed)
            session.view.close()
    # Whoever sends SIGTERM seldom waits long, nor does Ray; the tracking process goes on by itself.
    stopped = state.ended is not None and state.ended.reason == "interrupted"
    if session.lost is None:
        _wait_for(tracker, session, _STOPPED_SECONDS if stopped else _FINISH_SECONDS)
    if outcome.failure is not None:
        raise outcome.failure
    return outcome.code


def _ended_before(session: _Session) -> int | None:
    """The exit code of a search that has nothing left to do; None where it has."""
    state = session.conductor.state
    if not session.conductor.finished or state.ended is None or session.inbox.has_work:
        return None
    if why_all_failed(state) is not None:
        return 1
    # Other hypotheses are answered by one more session, in which there is nothing to train.
    same = hypotheses_of(state) == session.config.hypotheses
    return 0 if state.ended.reason == "finished" and same else None


def _wait_for(tracker: Tracker, session: _Session, seconds: float) -> None:
    with suppress(KeyboardInterrupt):
        if (late := tracker.finish(timeout=seconds)) is not None:
            session.view.note(late)


@dataclass(frozen=True)
class _Outcome:
    """How a session ended: the exit code, or the error to raise."""

    code: int = 0
    failure: TightropeError | None = None


def _attempt(session: _Session, tracker: Tracker) -> _Outcome:
    """Trains, and records how the session ended."""
    state = session.conductor.state
    outcome = _Outcome()
    stop.forget()
    try:
        with stop_signals(stop):
            _begin(session)
            tracker.start()
            _train(session)
        why = why_all_failed(state)
        if why is None:
            ended = conclusion(state)
        else:
            ended, outcome = SearchEnded(reason="failed", message=why), _Outcome(1)
    except KeyboardInterrupt:
        if session.lost is None:
            ended, outcome = SearchEnded(reason="interrupted"), _Outcome(_SIGNALLED + stop.number)
        else:
            failure = _lost_error(session, session.lost)
            ended, outcome = SearchEnded(reason="failed", message=failure.message), _Outcome(failure=failure)
    except TightropeError as error:
        ended, outcome = SearchEnded(reason="failed", message=error.message), _Outcome(failure=error)
    if session.lifeline is not None:
        session.lifeline.cut()
    if state.started is not None:
        _end(session, ended)
    return outcome


def _lost_error(session: _Session, lost: str) -> TrainingError:
    return TrainingError(f"The Ray cluster was lost: {lost}.", hint=_resume(session))


def _end_stuck(session: _Session, lost: str) -> None:
    """Ends the process from another thread than the one that waits for a lost cluster."""
    error = _lost_error(session, lost)
    ended = SearchEnded(reason="failed", message=error.message)
    with suppress(RecordError):
        if session.record.append(ended, wait=False):
            session.view(ended)
    session.view.close()
    complain(f"error: {error}")
    session.farewell.leave_unsaid()
    end_process()


def _end(session: _Session, ended: SearchEnded) -> None:
    """Writes the summary and the report, and then the session's last event."""
    state, interrupted = session.conductor.state, ended.reason == "interrupted"
    with stop_signals(signal.SIG_IGN):
        state.apply(ended)
        try:
            write_summary(state, session.folder)
        except RecordError as error:
            session.view.note(str(error))
    if session.config.report and state.trials and not interrupted and session.lost is None:
        _report(session)
    # The session's last event: MLflow takes summary and report when it sees it. Whoever has stopped the
    # search is not made to wait for storage: a record without this line is that of a search that was killed.
    with (
        suppress(KeyboardInterrupt, RecordError),  # where the record is broken, that is how it ended
        stop_signals(signal.SIG_IGN if interrupted else stop),
    ):
        if session.record.append(ended, wait=not interrupted):
            session.view(ended)


def _begin(session: _Session) -> None:
    """Writes the first lines of the record, or those of one more session."""
    config, state = session.config, session.conductor.state
    warm_start = None
    if config.warm_start is not None and state.warm_start is None:
        warm_start = read_warm_start(config, SearchSpace(config.parameters, config.fixed))
    if state.started is None:
        session.append(
            SearchStarted(
                search_id=uuid.uuid4().hex,
                config=config.model_dump(mode="json"),
                fingerprints={"space": fingerprint(config)}
                | {f"{PREFIX}{key}": value for key, value in contents(config).items()},
                versions=versions(),
                git_commit=git_commit(),
                trainable=explanation(config.trainable, config.options),
            )
        )
    if warm_start is not None:
        session.conductor.warm_start(warm_start)
    session.append(
        SessionStarted(
            session=len(state.sessions),
            trials=config.trials,
            command=session.command,
            host=platform.node(),
            pid=os.getpid(),
            limits=config.limits.model_dump(),
            confirm=config.confirm.model_dump(),
            hypotheses=config.model_dump(mode="json", include={"hypotheses"})["hypotheses"],
            audit=None if session.audit is None else session.audit.recorded(),
        )
    )


def _report(session: _Session) -> None:
    """Makes the report; what goes wrong with it costs no search its end, and Ctrl-C leaves it out."""
    session.view.note("writing the report")
    problem = "interrupted"
    try:
        with stop_signals(stop):
            write_report(session.conductor.state, session.folder, redact=redact)
        return
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 - a named boundary: libraries that draw, and a disk that is full
        problem = str(error) or type(error).__name__
    session.view.note(f"no report: {problem} (python -m analysis.report {session.folder} writes it)")


def _train(session: _Session) -> None:
    """Brings the groups up, measures the base model and runs the Tune loop."""
    config, view, conductor = session.config, session.view, session.conductor
    session.answer_all()
    if not conductor.has_work():  # the searcher has no more, or a kill came just before the end
        return
    named, address = cluster_address(config.workers)
    sweep()
    hold(session.scratch)
    view.note("starting Ray" if address is None else f"joining the Ray cluster at {address} ({named})")
    try:
        capacity = start_ray(config.workers, view.note)
    except ClusterError as error:
        raise ClusterError(error.message, hint=f"{error.hint or ''} {_resume(session)}".strip()) from error
    if (rays := session_folder()) is not None:
        remember(session.scratch, rays)
    take_stop_signals(stop)  # Ray has put a handler of its own in place of ours
    stop.check()
    session.lifeline = tie(partial(_end_stuck, session))
    session.lifeline.start()
    settings = group_settings(
        config,
        session.folder,
        capacity.cpus,
        capacity.groups,
        use_gpu=capacity.gpus > 0,
        longest=session.steps.most if session.steps else None,
        marker=None if address is None else mark(session.folder),
    )
    try:
        machines = Machines(config, conductor.state, session.append, view.note)
        on_change = None if address is None else machines.change
        groups = WorkerGroups(
            settings,
            config.workers,
            capacity,
            session.scratch,
            view.note,
            on_change,
            session.look,
            lambda: machines.wanted(conductor.spent is None),
        )
        subject = TRAINABLES[config.trainable].subject(config.options)
        view.note(f"{plural(capacity.groups, 'worker group')} on {capacity.address}; loading {subject}")
        if capacity.waiting is not None:
            view.note(capacity.waiting)
        groups.start()
        _serve(session, groups, machines)
        groups.stop()
    except _ray_errors() as error:
        if session.record.broken is not None:  # Tune has made an error of its own of it
            raise session.record.broken from error
        raise TrainingError(f"Ray failed: {error}", hint=_resume(session)) from error


def _ray_errors() -> tuple[type[Exception], ...]:
    """What Ray raises, of which an import takes seconds; its own files may not find room."""
    from ray.exceptions import RayError
    from ray.tune.error import TuneError

    return RayError, TuneError, OSError


def _serve(session: _Session, groups: WorkerGroups, machines: Machines) -> None:
    """Runs what is left on groups that are coming up."""
    from search.tune.loop import run_tune

    config, conductor = session.config, session.conductor
    import ray.tune  # noqa: F401 - takes seconds, in which the workers are coming up

    facts = groups.wait_for_first(session.view.note, session.view.pace)
    if isinstance(facts, Reply):
        raise _training_error(facts.message)
    machines.begin(facts, groups.there())
    missing = missing_baselines(config, conductor.state)
    if BASE in missing:
        session.view.note("measuring the base model")
    # The base comes first: the others are compared with it.
    for together in ([BASE] if BASE in missing else [], [name for name in missing if name != BASE]):
        for name, reply in groups.measure_baselines(together):
            if reply.outcome != "ok":
                raise _training_error(f"{shown_baseline(name)} could not be measured: {reply.message}")
            session.append(baseline_event(config, name, reply, facts, conductor.state))

    def listen() -> None:
        groups.listen()
        session.look(groups)

    while conductor.aborted is None and conductor.has_work():
        run_tune(conductor, groups, groups.capacity(), session.scratch, session.folder, listen)
        session.answer_all()  # what came in the last moment
    if conductor.aborted is not None:
        raise _training_error(conductor.aborted, _resume(session))


def _resume(session: _Session) -> str:
    return f"Resume with: {session.command}"


def _training_error(text: str, otherwise: str | None = None) -> TrainingError:
    """The error of a message that may end in a hint of its own, as those of the workers do."""
    message, _, hint = text.partition("\n  hint: ")
    return TrainingError(message[:1].upper() + message[1:], hint=hint or otherwise)
