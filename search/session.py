"""One session of a search: from a valid configuration to the summary, or to an orderly stop."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from rich.console import Console

from analysis.recommend import recommend
from analysis.report import write_report
from analysis.summary import render_summary, write_summary
from search.cluster import Capacity, start_ray, stop_ray
from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.errors import RecordError, TightropeError
from search.groups.host import WorkerGroups
from search.groups.settings import group_settings
from search.provenance import git_commit, versions
from search.record import (
    BaselineMeasured,
    Event,
    RecordWriter,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    SlotsChosen,
    read_events,
)
from search.recorded_choices import with_recorded_choices
from search.redact import redact
from search.resume import fingerprint, refuse_changes
from search.retention import recorded_intervals
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from search.tracking.process import Tracker
from search.tracking.store import ui_command
from search.view import View, make_view
from search.warm_start import warm_started
from trainables.data.facts import data_lines, data_warnings
from trainables.messages import GroupFacts, Reply
from trainables.specs import TRAINABLES

INTERRUPTED = 130
SCRATCH = ".ray"
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    def append(self, event: Event) -> None:
        """Records an event that is not the conductor's own, and takes it into account."""
        self.record.append(event)
        self.conductor.state.apply(event)
        self.view(event)


def run_search(config: SearchConfig, command: str, as_json: bool) -> int:
    """Begins, resumes or extends a search, and runs it to its end.

    Args:
        config: Validated configuration.
        command: Command line that resumes the search, for messages and the record.
        as_json: Print the summary as one line of JSON on standard output, everything else on standard error.

    Returns:
        Exit code: 0, or 130 where it was interrupted.

    Raises:
        SpaceChangedError: The folder holds a search of another space.
        RecordError: Another process is running this search, or its record is damaged.
        TightropeError: It cannot run: cluster, model, data or tracking.
    """
    folder = Path(config.out).resolve() / config.name
    console = Console(stderr=as_json)
    events = read_events(folder)
    state = SearchState.from_events(events)
    if state.started is not None:
        config = with_recorded_choices(state.started.config, config)
        refuse_changes(state.started.config, config)
    with RecordWriter(
        folder, on_wait=lambda text: console.print(text, style="yellow", markup=False)
    ) as record:
        if len(read_events(folder)) != len(events):
            raise RecordError(f"The search in {folder} was written just now by another process.")
        view = make_view(console, config, config.trials, live=console.is_terminal)
        view.restore(state)

        def append(event: Event) -> None:
            record.append(event)
            view(event)

        space = SearchSpace(config.parameters, config.fixed)
        conductor = Conductor(
            config, space, make_searcher(config, space), make_scheduler(config), append, events
        )
        session = _Session(config, folder, command, record, view, conductor)
        code = _run(session)
    summary = write_summary(conductor.state, folder)
    render_summary(console, summary, ui=ui_command(folder, config.tracking), command=command)
    if as_json:
        Console(soft_wrap=True, highlight=False).print_json(data=summary, indent=None)
    return code


def _run(session: _Session) -> int:
    """Trains what is left; returns the exit code."""
    ended_before = session.conductor.state.ended
    if session.conductor.finished and ended_before is not None and ended_before.reason == "finished":
        return 0
    tracker = Tracker(session.folder, session.config.tracking)
    session.view.start()
    try:
        ended, failure = _attempt(session, tracker)
    finally:
        with _stop_signals(signal.SIG_IGN):
            stop_ray()
            # What Ray Tune and Ray Train wrote for themselves; the record has all that matters.
            shutil.rmtree(session.folder / SCRATCH, ignore_errors=True)
            session.view.close()
    with suppress(KeyboardInterrupt):
        if (late := tracker.finish(timeout=30.0)) is not None:
            session.view.note(late)
    if failure is not None:
        raise failure
    return 0 if ended.reason == "finished" else INTERRUPTED


def _attempt(session: _Session, tracker: Tracker) -> tuple[SearchEnded, TightropeError | None]:
    """Trains, and records how the session ended and, where it failed, returns why."""
    failure = None
    try:
        with _stop_signals(signal.default_int_handler):
            _begin(session)
            tracker.start()
            _train(session)
        ended = SearchEnded(reason="finished", recommended=recommend(session.conductor.state).trial)
    except KeyboardInterrupt:
        ended = SearchEnded(reason="interrupted")
    except TightropeError as error:
        ended, failure = SearchEnded(reason="failed", message=error.message), error
    if session.conductor.state.started is not None:
        with _stop_signals(signal.SIG_IGN):
            session.conductor.state.apply(ended)
            write_summary(session.conductor.state, session.folder)
        if session.config.report and session.conductor.state.trials and ended.reason != "interrupted":
            _report(session)
        # The session's last event: MLflow takes summary and report when it sees it.
        with _stop_signals(signal.SIG_IGN):
            session.record.append(ended)
            session.view(ended)
    return ended, failure


def _begin(session: _Session) -> None:
    """Writes the first lines of the record, or those of one more session."""
    config, state = session.config, session.conductor.state
    warm_start = None
    if config.warm_start is not None and state.warm_start is None:
        warm_start = warm_started(config, SearchSpace(config.parameters, config.fixed))
    if state.started is None:
        session.append(
            SearchStarted(
                search_id=uuid.uuid4().hex,
                config=_without_credentials(config),
                fingerprints={"space": fingerprint(config)},
                versions=versions(),
                git_commit=git_commit(),
            )
        )
    if warm_start is not None:
        session.conductor.warm_start(warm_start)
    session.append(
        SessionStarted(
            session=len(state.sessions),
            trials=config.trials,
            command=redact(session.command),
            host=platform.node(),
            pid=os.getpid(),
            limits=config.limits.model_dump(),
        )
    )


def _without_credentials(config: SearchConfig) -> dict[str, Any]:
    data = config.model_dump(mode="json")
    for section, key in (("tracking", "uri"), ("workers", "address")):
        if data[section][key] is not None:
            data[section][key] = redact(data[section][key])
    return data


def _report(session: _Session) -> None:
    """Makes the report; what goes wrong with it costs no search its end, and Ctrl-C leaves it out."""
    session.view.note("writing the report")
    problem = "interrupted"
    try:
        with _stop_signals(signal.default_int_handler):
            write_report(session.conductor.state, session.folder, redact=redact)
        return
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 - a named boundary: libraries that draw, and a disk that is full
        problem = str(error) or type(error).__name__
    session.view.note(f"no report: {problem} (python -m analysis.report {session.folder} makes it)")


def _train(session: _Session) -> None:
    """Brings the groups up, measures the base model and runs the Tune loop."""
    config, view, conductor = session.config, session.view, session.conductor
    if not conductor.has_work():  # the searcher has no more, or a kill came just before the end
        return
    view.note("starting Ray")
    capacity = start_ray(config.workers)
    _take_stop_signals(signal.default_int_handler)  # Ray has put a handler of its own in place of ours
    from ray.exceptions import RayError
    from ray.tune.error import TuneError

    scratch = session.folder / SCRATCH
    settings = group_settings(
        config, session.folder, capacity.cpus, capacity.groups, use_gpu=capacity.gpus > 0
    )
    try:
        groups = WorkerGroups(settings, config.workers, capacity, scratch)
        view.note(f"{capacity.groups} worker group(s) on {capacity.address}; loading {config.model.name}")
        groups.start()
        _serve(session, groups, capacity, scratch)
        groups.stop()
    except (RayError, TuneError) as error:
        raise TrainingError(f"Ray failed: {error}", hint=f"Resume with: {session.command}") from error


def _serve(session: _Session, groups: WorkerGroups, capacity: Capacity, scratch: Path) -> None:
    """Runs what is left on groups that are coming up."""
    from search.tune.loop import run_tune

    config, conductor = session.config, session.conductor
    facts = groups.wait_for_first(session.view.note)
    if isinstance(facts, Reply):
        raise TrainingError(facts.message)
    _check_facts(session, facts)
    reason = TRAINABLES[config.trainable].unpacked or facts.packing
    session.append(
        SlotsChosen(
            groups=capacity.groups,
            slots=facts.slots,
            reason=reason,
            devices=capacity.devices,
            nodes=capacity.nodes,
        )
    )
    if "base" not in conductor.state.baselines:
        _measure_base(session, groups, facts)
    run_tune(conductor, groups, groups.capacity(), config.budget.rung_steps, scratch)
    if conductor.aborted is not None:
        raise TrainingError(
            f"No worker group is left: {conductor.aborted}", hint=f"Resume with: {session.command}"
        )


def _check_facts(session: _Session, facts: GroupFacts) -> None:
    """The model and the data must be those that the record's trials were trained with."""
    base = session.conductor.state.baselines.get("base")
    recorded = {} if base is None else base.fingerprints
    for key, found in (("model", facts.model_fingerprint), ("data", facts.data_fingerprint)):
        if recorded.get(key, found) != found:
            raise TightropeError(
                f"The {key} is not that of this search: {recorded[key][:12]} then, {found[:12]} now.",
                hint="Bring the recorded files back, or begin a new search with name=<other name>.",
            )
    session.view.note(f"model and data ready on {facts.device} after {facts.load_seconds:.1f} s")
    for line in (*data_lines(facts.data), *(f"warning: {text}" for text in data_warnings(facts.data))):
        session.view.note(line)


def _measure_base(session: _Session, groups: WorkerGroups, facts: GroupFacts) -> None:
    reply = groups.measure_base()
    if reply.outcome != "ok":
        raise TrainingError(f"The base model could not be measured: {reply.message}")
    if not reply.metrics.get("capability", 0.0) > 0.0:
        raise TightropeError(
            "The base model answers no question right, so there is no capability to retain.",
            hint="Choose questions that the base model can answer: see capability.skills.",
        )
    session.append(
        BaselineMeasured(
            name="base",
            metrics=reply.metrics | {"retention": 1.0},
            intervals=recorded_intervals(reply),
            items=reply.items,
            fingerprints={"model": facts.model_fingerprint, "data": facts.data_fingerprint},
            seconds=reply.eval_seconds,
            eval_parts=reply.eval_parts,
            items_file=reply.items_file,
            data=dict(facts.data),
        )
    )


_Handler: TypeAlias = Callable[[int, FrameType | None], Any] | signal.Handlers


@contextmanager
def _stop_signals(handler: _Handler) -> Iterator[None]:
    """Handles SIGINT and SIGTERM alike for a while: to stop a search in order, or to finish stopping."""
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    _take_stop_signals(handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _take_stop_signals(handler: _Handler) -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, handler)
