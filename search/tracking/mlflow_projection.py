"""The record folded into the runs that MLflow should hold."""

from __future__ import annotations

from pathlib import PurePath

from search.config.schema import ObjectiveConfig
from search.errors import RecordError
from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    Failed,
    FrontMeasured,
    RequestAnswered,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
    WarmStarted,
)
from search.record.events import JudgedMean, TrialStatus
from search.tracking.mlflow_limits import config_params, key, param, text
from search.tracking.runs import (
    BASELINE,
    SEARCH,
    STATUS,
    TRIAL,
    BestFeasible,
    RunStatus,
    RunView,
    TrialCounts,
    audit_tags,
    baseline_key,
    confirmed_points,
    milliseconds,
    trial_key,
    trial_name,
)
from search.tracking.shown import description

STATUS_OF_TRIAL: dict[TrialStatus, RunStatus] = {
    "completed": "FINISHED",
    # Not KILLED, which MLflow shows in red as a failure.
    "stopped": "FINISHED",
    "cancelled": "FINISHED",
    "diverged": "FAILED",
    "infeasible": "FAILED",
    "failed": "FAILED",
}
_STATUS_OF_SEARCH: dict[str, RunStatus] = {
    "finished": "FINISHED",
    "interrupted": "KILLED",
    "failed": "FAILED",
}
UNFINISHED = "unfinished"
UNDECIDED = "to be decided"
"""What is recommended, while a search that had finished goes on."""


class Projection:
    """Folds events, one at a time; the same events always give the same runs.

    Attributes:
        runs: Every run by its key, the parent first.
        changed: Keys of runs that changed since they were last taken out of this set.
        started: The record's first event, or None before it.
        session: The last session, or None before the first.
        ended: How the last session ended, or None while it runs or if it was killed.
        checkpoints: Folder of each trial's last checkpoint, relative to the search's folder.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunView] = {}
        self.changed: set[str] = set()
        self.started: SearchStarted | None = None
        self.session: SessionStarted | None = None
        self.ended: SearchEnded | None = None
        self.checkpoints: dict[int, str] = {}
        self._open: set[int] = set()
        self._last_step: dict[int, int] = {}
        self._last_time = 0.0
        self._rungs = 0
        self._counts = TrialCounts("trials")
        self._repetition_counts = TrialCounts("repetitions")
        self._objectives: list[str] = []
        self._best = BestFeasible(())
        self._confirmed: dict[int, dict[str, JudgedMean]] = {}
        self._paused: set[int] = set()  # by the scheduler
        self._held: set[int] = set()  # by hand, as `SearchState` has it
        self._pausing: set[int] = set()  # by hand, from the next rung on
        self._repeats: set[int] = set()
        self._constraints: set[str] = set()
        self._common: dict[str, object] = {}
        self._judged: set[str] = set()
        self._recommended: int | None = None
        self._source = ""

    def apply(self, event: Event) -> None:
        """Takes one event into account.

        Raises:
            RecordError: The event speaks of a search or trial that the record does not hold.
        """
        match event:
            case SearchStarted():
                self._start(event)
            case SessionStarted():
                self._begin_session(event)
            case SlotsChosen():
                # Tags, because a later session may choose otherwise.
                self._run(SEARCH).set_tags(
                    {"groups": event.groups, "slots": event.slots, "slots_reason": event.reason}
                )
            case WarmStarted():
                tags = {"from": event.search_id, "use": event.use, "trials": len(event.trials)}
                self._run(SEARCH).set_tags({f"warm_start.{name}": value for name, value in tags.items()})
            case BaselineMeasured():
                self._add_baseline(event)
            case TrialProposed():
                self._add_trial(event)
            case RungReached():
                self._add_rung(event)
            case FrontMeasured():
                self._add_front(event)
            case Decided():
                self._decide(event)
            case Failed():
                run = self._run(SEARCH if event.trial is None else trial_key(event.trial))
                # A finished trial was being evaluated: it has not failed.
                ended = event.trial is not None and event.trial not in self._open
                run.set_tags({"front_failure" if ended else "failure_class": event.failure_class})
                if event.trial in self._pausing:  # it is not in training any more
                    self._held.add(event.trial)
                    self._pausing.discard(event.trial)
                    self._show_whether_paused(event.trial, event.time)
            case TrialFinished():
                self._finish_trial(event)
            case RequestAnswered():
                self._answer(event)
            case SearchEnded():
                self._end(event)
        self._last_time = event.time

    def abandon(self) -> None:
        """Closes what a killed search left open, at the time of its last event. Idempotent."""
        parent = self.runs.get(SEARCH)
        if parent is not None and parent.status == "RUNNING":
            self._close_trials(self._last_time)
            self._run(SEARCH).close("KILLED", UNFINISHED, self._last_time)

    def _run(self, run_key: str) -> RunView:
        """The run, marked as changed."""
        if run_key not in self.runs:
            raise RecordError(f"The record speaks of {run_key} before it says that it exists.")
        self.changed.add(run_key)
        return self.runs[run_key]

    def _add(self, run_key: str, name: str, start: float) -> RunView:
        run = RunView(run_key, text(name), milliseconds(start))
        self.runs[run_key] = run
        run.set_tags(self._common)
        run.open()
        run.show("source.type", "LOCAL")
        run.show("source.name", self._source)
        return self._run(run_key)

    def _start(self, event: SearchStarted) -> None:
        self.started = event
        objectives = [ObjectiveConfig.model_validate(o) for o in event.config.get("objectives", ())]
        self._best = BestFeasible(objectives)
        self._objectives = [objective.metric for objective in objectives]
        prints = {f"fingerprint.{name}": value for name, value in event.fingerprints.items()}
        self._common = {
            "search_id": event.search_id,
            "seed": event.config.get("seed"),
            "git_commit": event.git_commit,
            **prints,
        }
        # MLflow shows what comes after the last slash.
        self._source = f"tightrope run space={PurePath(str(event.config.get('space', ''))).name}"
        run = self._add(SEARCH, str(event.config.get("name", event.search_id)), event.time)
        run.params = config_params(event.config)
        run.set_tags({f"version.{name}": version for name, version in event.versions.items()})
        run.show("note.content", description(event))

    def _begin_session(self, event: SessionStarted) -> None:
        if self.session is not None:
            self.abandon()
            self._run(SEARCH).open()
            self._held |= self._pausing
            self._pausing.clear()
            words = {number: self._word(number) for number in self._open}
            for number, word in words.items():
                self._run(trial_key(number)).open(word)
            self._count(words, event.time)
            self._reconsider()
        self.session = event
        self.ended = None
        if event.audit is not None:
            self._run(SEARCH).set_tags(audit_tags(event.audit))

    def _add_baseline(self, event: BaselineMeasured) -> None:
        run_key = baseline_key(event.name)
        if run_key not in self.runs:
            run = self._add(run_key, event.name, event.time - event.seconds)
            run.tags[BASELINE] = event.name
        # The workers find out what the model and the data are, after the search has begun.
        prints = {f"fingerprint.{name}": value for name, value in event.fingerprints.items()}
        self._common |= prints
        for known in self.runs.values():
            known.set_tags(prints)
        run = self._run(run_key)
        run.add_metrics({"seconds": event.seconds} | event.metrics, event.intervals, event.time, step=0)
        run.close("FINISHED", "completed", event.time)

    def _add_trial(self, event: TrialProposed) -> None:
        run = self._add(trial_key(event.trial), trial_name(event.trial), event.time)
        run.tags[TRIAL] = str(event.trial)
        run.params = {key(name): param(value) for name, value in event.params.items()}
        run.set_tags({"origin": event.origin, "steps": event.steps})
        if event.repeats is not None:
            run.set_tags({"repeats": event.repeats, "repeats_run": trial_name(event.repeats)})
            self._repeats.add(event.trial)
        self._open.add(event.trial)
        self._count({event.trial: "running"}, event.time)

    def _add_rung(self, event: RungReached) -> None:
        run = self._run(trial_key(event.trial))
        details = {
            "rung": event.rung,
            "train_seconds": event.train_seconds,
            "eval_seconds": event.eval_seconds,
        }
        if event.tokens:
            details |= {"tokens": event.tokens, "padding": event.padding, "pack": event.pack}
        # MLflow compares runs by the metric that each has first.
        first = {name: event.metrics[name] for name in self._objectives if name in event.metrics}
        run.add_metrics(first | event.metrics | details, event.intervals, event.time, event.step)
        for step, loss in event.curve:
            run.add_points({"train_loss_curve": loss}, event.time, step)
        run.set_tags({"checkpoint": event.checkpoint, "group": event.group})
        self._last_step[event.trial] = event.step
        if event.checkpoint is not None:
            self.checkpoints[event.trial] = event.checkpoint
        if event.trial in self._repeats:
            # The best is that of the search: a repetition is another run of a trial that was there before.
            return
        self._rungs += 1
        if best := self._best.improvement(event.metrics):
            self._run(SEARCH).add_points(best, event.time, self._rungs)

    def _add_front(self, event: FrontMeasured) -> None:
        run = self._run(trial_key(event.trial))
        details = {"front_eval_seconds": event.eval_seconds}
        run.add_metrics(details | event.metrics, event.intervals, event.time, self._last_step[event.trial])
        if key("tightrope.front_failure") in run.tags:
            run.set_tags({"front_failure": "asked again with success"})

    def _decide(self, event: Decided) -> None:
        run = self._run(trial_key(event.trial))
        run.set_tags({"decision": event.decision, "decision_reason": event.reason, "decided_by": event.by})
        if event.decision == "pause":
            self._paused.add(event.trial)
        elif event.decision == "continue":
            self._paused.discard(event.trial)
        if event.trial in self._pausing:
            self._held.add(event.trial)
            self._pausing.discard(event.trial)
        self._show_whether_paused(event.trial, event.time)

    def _answer(self, event: RequestAnswered) -> None:
        """Shows what became of a request about a trial."""
        if event.trial is None or not event.accepted:
            return
        self._run(trial_key(event.trial)).set_tags({"by_hand": event.answer})
        if event.verb == "pause":
            (self._held if event.at_once else self._pausing).add(event.trial)
        elif event.verb == "resume":
            self._held.discard(event.trial)
            self._pausing.discard(event.trial)
        self._show_whether_paused(event.trial, event.time)

    def _word(self, trial: int) -> str:
        """Our own status of an unfinished trial."""
        return "paused" if trial in self._paused | self._held else "running"

    def _show_whether_paused(self, trial: int, time: float) -> None:
        run, word = self._run(trial_key(trial)), self._word(trial)
        if trial in self._open and run.tags[STATUS] != word:
            run.open(word)
            self._count({trial: word}, time)

    def _finish_trial(self, event: TrialFinished) -> None:
        run = self._run(trial_key(event.trial))
        # The step reached after the last rung is not recorded; the later time keeps the order.
        run.add_metrics(event.metrics, {}, event.time, self._last_step.get(event.trial, 0))
        run.set_tags({"reason": event.reason, "failure_class": event.failure_class})
        if key("tightrope.decision") in run.tags:  # no decision about it is left
            run.set_tags({"decision": event.status, "decision_reason": event.reason})
        run.show("note.content", f"{event.status}: {event.reason}" if event.reason else event.status)
        if event.status in ("stopped", "diverged") and event.failure_class != "diverged":
            run.set_tags({"guard": event.failure_class})
        run.close(STATUS_OF_TRIAL[event.status], event.status, event.time)
        for numbers in (self._open, self._paused, self._held, self._pausing):
            numbers.discard(event.trial)
        self._count({event.trial: event.status}, event.time)

    def _end(self, event: SearchEnded) -> None:
        self.ended = event
        self._close_trials(event.time)
        run = self._run(SEARCH)
        if event.reason == "finished":
            self._tell_confirmed(event)
        run.set_tags({"message": event.message})
        if event.reason == "finished":
            words = {f"constraint.{metric}": word for metric, word in event.constraints.items()}
            run.set_tags(dict.fromkeys(self._constraints - words.keys(), "none is recommended") | words)
            self._constraints |= words.keys()
            self._recommend(event.recommended)
            gone = self._judged - event.hypotheses.keys()
            run.set_tags({f"hypothesis.{name}": "withdrawn" for name in gone})
            self._judged |= event.hypotheses.keys()
        for name, judged in event.hypotheses.items():
            run.set_tags({f"hypothesis.{name}": judged.verdict, f"hypothesis.{name}.result": judged.text})
        run.close(_STATUS_OF_SEARCH[event.reason], event.reason, event.time)

    def _recommend(self, trial: int | None) -> None:
        """Says on the search and on the trial what is recommended, and on another that it no longer is."""
        assert self.started is not None
        parent = self._run(SEARCH)
        parent.set_tags({"recommended": "none" if trial is None else trial})
        parent.show("note.content", description(self.started, trial))
        if self._recommended not in (None, trial):
            self._run(trial_key(self._recommended)).set_tags({"recommended": "no longer"})
        if trial is not None:
            self._run(trial_key(trial)).set_tags({"recommended": "yes"})
        self._recommended = trial

    def _reconsider(self) -> None:
        """What a finished search has recommended is open again once one more session begins."""
        assert self.started is not None
        parent = self._run(SEARCH)
        if key("tightrope.recommended") not in parent.tags:
            return
        parent.set_tags({"recommended": UNDECIDED})
        parent.show("note.content", description(self.started))
        if self._recommended is not None:
            self._run(trial_key(self._recommended)).set_tags({"recommended": UNDECIDED})

    def _close_trials(self, time: float) -> None:
        for number in self._open:
            self._run(trial_key(number)).close("KILLED", UNFINISHED, time)
        self._count(dict.fromkeys(self._open, UNFINISHED), time)

    def _tell_confirmed(self, event: SearchEnded) -> None:
        """Writes the means of candidates to their own runs, and those of the recommended to the parent."""
        if event.confirmed == self._confirmed:
            return
        self._confirmed = event.confirmed
        count = sum(mean.n for means in event.confirmed.values() for mean in list(means.values())[:1])
        for trial, means in event.confirmed.items():
            for run_key in [trial_key(trial), *([SEARCH] if trial == event.recommended else [])]:
                self._run(run_key).add_points(confirmed_points(means), event.time, count)

    def _count(self, statuses: dict[int, str], time: float) -> None:
        for counts, repeated in ((self._counts, False), (self._repetition_counts, True)):
            changes = {
                trial: word for trial, word in statuses.items() if (trial in self._repeats) is repeated
            }
            if changed := counts.change(changes):
                self._run(SEARCH).add_points(changed, time, counts.step)
