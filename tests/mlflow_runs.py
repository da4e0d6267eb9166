"""Records for tests of MLflow, and what MLflow holds of them in a form that can be compared."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
)
from search.record.events import Params, TrialStatus
from search.record.files import EVENTS
from trainables.interval import Interval

START = 1_700_000_000.0
STATUSES: dict[TrialStatus, str] = {
    "completed": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FAILED",
    "infeasible": "FAILED",
    "failed": "FAILED",
}
"""What MLflow says of a run by the status of its trial."""


class RecordBuilder:
    """Makes events with strictly increasing times, 10 ms apart."""

    def __init__(self, name: str = "one") -> None:
        self.name = name
        self.events: list[Event] = []
        self._sessions = 0

    def add(self, kind: type[Event], **fields: Any) -> Event:
        event = kind(time=START + len(self.events) / 100, **fields)
        self.events.append(event)
        return event

    def start(self, **config: Any) -> None:
        objectives = [
            {"metric": "train_loss", "direction": "min"},
            {"metric": "retention", "direction": "max", "floor": 0.9},
        ]
        self.add(
            SearchStarted,
            search_id=f"id-of-{self.name}",
            config={
                "name": self.name,
                "space": "letters",
                "trainable": "lora",
                "seed": 7,
                "trials": 2,
                "model": {"name": "small"},
                "task": {"name": "letters", "max_length": 64},
                "budget": {"steps": 9},
                "capability": {"skills": []},
                "objectives": objectives,
                "tracking": {},
            }
            | config,
            fingerprints={"space": "s" * 64},
            versions={"torch": "2.13.0"},
            git_commit="c0ffee",
        )

    def session(self) -> None:
        self.add(
            SessionStarted,
            session=self._sessions,
            trials=4,
            command="python -m search.run",
            host=platform.node(),
            pid=os.getpid(),
        )
        self._sessions += 1

    def propose(self, trial: int, params: Params) -> None:
        self.add(TrialProposed, trial=trial, sampled=params, params=params)

    def repeat(self, trial: int, repeats: int) -> None:
        self.add(TrialProposed, trial=trial, sampled={}, params={}, origin="confirmation", repeats=repeats)

    def rung(self, trial: int, rung: int, metrics: dict[str, float], **fields: Any) -> None:
        times = {"train_seconds": 1.5, "eval_seconds": 0.5}
        self.add(RungReached, trial=trial, rung=rung, step=10 * 3**rung, metrics=metrics, **(times | fields))

    def decide(self, trial: int, rung: int) -> None:
        self.add(
            Decided, trial=trial, rung=rung, decision="continue", reason=f"rung {rung}: in the top third"
        )

    def finish(self, trial: int, status: TrialStatus) -> None:
        self.add(TrialFinished, trial=trial, status=status, reason=f"because {status}")

    def write(self, folder: Path, count: int | None = None) -> Path:
        """Writes the first `count` events (all by default) as the search's record."""
        path = folder / self.name
        path.mkdir(exist_ok=True)
        (path / EVENTS).write_text("".join(e.model_dump_json() + "\n" for e in self.events[:count]))
        return path


class Held(NamedTuple):
    """All of a run that MLflow shows, except its random id."""

    name: str
    status: str
    start: int
    end: int | None
    params: dict[str, str]
    tags: dict[str, str]
    history: dict[str, list[tuple[int, int, str]]]


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def runs_of(client: MlflowClient) -> list[Run]:
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, max_results=1000))


def held(client: MlflowClient) -> dict[str, Held]:
    """What MLflow holds, by run name; fails where a name is there twice."""
    found: dict[str, Held] = {}
    runs = runs_of(client)
    names = {run.info.run_id: run.info.run_name for run in runs}
    for run in runs:
        assert run.info.run_name not in found
        # Artifacts stay where a search was resumed after an end; they are compared by themselves.
        tags = {k: v for k, v in run.data.tags.items() if not k.startswith("tightrope.sha256.")}
        if "mlflow.parentRunId" in tags:
            tags["mlflow.parentRunId"] = names[tags["mlflow.parentRunId"]]
        history = {
            name: [(p.step, p.timestamp, repr(p.value)) for p in history_of(client, run, name)]
            for name in run.data.metrics
        }
        found[run.info.run_name] = Held(
            run.info.run_name,
            run.info.status,
            run.info.start_time,
            run.info.end_time,
            dict(run.data.params),
            tags,
            history,
        )
    return found


def history_of(client: MlflowClient, run: Run, name: str) -> list[Metric]:
    return sorted(client.get_metric_history(run.info.run_id, name), key=lambda p: (p.step, p.timestamp))


def full_search() -> RecordBuilder:
    """Three trials: completed, stopped, and one that an interruption leaves unfinished."""
    record = RecordBuilder()
    record.start()
    record.session()
    record.add(SlotsChosen, groups=1, slots=2, reason="2 train fastest")
    prints = {"model": "m" * 64, "data": "d" * 64}
    record.add(BaselineMeasured, name="base", metrics={"retention": 1.0}, fingerprints=prints, seconds=2.0)
    for trial in range(3):
        record.propose(trial, {"lr": 1e-3 * (trial + 1), "rank": 8, "target": "attention", "rslora": True})
    interval = {"retention": Interval(low=0.8, high=1.0, n=40)}
    curve = [(1, 3.0), (5, 2.5)]
    record.rung(
        0, 0, {"train_loss": 2.0, "retention": 0.95}, intervals=interval, curve=curve, checkpoint="c/0"
    )
    record.decide(0, 0)
    record.rung(1, 0, {"train_loss": 1.0, "retention": 0.5})
    record.decide(1, 0)
    record.finish(1, "stopped")
    record.rung(0, 1, {"train_loss": 1.5, "retention": 0.92}, checkpoint="c/1")
    record.finish(0, "completed")
    record.add(SearchEnded, reason="interrupted")
    return record


NUMBERS = st.one_of(
    st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0])
)
METRICS = st.dictionaries(
    st.sampled_from(["train_loss", "retention", "kl", "per/skill: a+b"]), NUMBERS, max_size=3
)
SCALARS = st.one_of(st.booleans(), st.integers(-5, 5), st.floats(0, 1), st.text(max_size=6), st.none())
PARAMS = st.dictionaries(st.sampled_from(["lr", "rank", "target", "dropout"]), SCALARS, max_size=3)


ACTIONS = ("propose", "rung", "rung", "pause", "finish", "repeat", "resume")


@st.composite
def records(draw: st.DrawFn) -> RecordBuilder:
    """Small records, with kills, interruptions and resumes at any place."""
    record = RecordBuilder()
    record.start()
    record.session()
    record.add(BaselineMeasured, name="base", metrics=draw(METRICS), seconds=1.0)
    rungs: dict[int, int] = {}
    running: list[int] = []
    for action in draw(st.lists(st.sampled_from(ACTIONS), max_size=12)):
        if action == "propose":
            record.propose(len(rungs), draw(PARAMS))
            running.append(len(rungs))
            rungs[len(rungs)] = 0
        elif action == "repeat" and rungs:
            record.repeat(len(rungs), draw(st.sampled_from(sorted(rungs))))
            running.append(len(rungs))
            rungs[len(rungs)] = 0
        elif action == "resume":
            if draw(st.booleans()):
                record.add(SearchEnded, reason="interrupted")
            record.session()
        elif running:
            trial = draw(st.sampled_from(running))
            if action == "rung":
                record.rung(
                    trial, rungs[trial], draw(METRICS), curve=[(1 + 10 * rungs[trial], draw(NUMBERS))]
                )
                record.decide(trial, rungs[trial])
                rungs[trial] += 1
            elif action == "pause":
                rung = max(0, rungs[trial] - 1)
                record.add(Decided, trial=trial, rung=rung, decision="pause", reason="not yet among the best")
            elif action == "finish":
                record.finish(trial, draw(st.sampled_from(list(STATUSES))))
                running.remove(trial)
    if draw(st.booleans()):
        record.add(SearchEnded, reason=draw(st.sampled_from(["finished", "interrupted", "failed"])))
    return record
