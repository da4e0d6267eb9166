"""Runs real searches in processes of their own, for tests of whole runs and of kills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from search.record import Event, RungReached, SearchState, TrialFinished, TrialProposed, read_events
from tests.distribution import may_start_ray
from tests.ray_cluster import RAY_ENVIRONMENT, SharedCluster

ROOT = Path(__file__).parents[1]


def small_space(trials: int, limit: int = 10, **changed: object) -> str:
    """A space, as YAML, whose trials a CPU trains in a second or so.

    Args:
        trials: Number of trials.
        limit: Questions of capability.
        changed: Keys of the top level with other values than here, or beside them.
    """
    facts = {"name": "facts", "path": "embedded:skills/facts.jsonl", "limit": limit}
    space = {
        "model": "embedded",
        "task": "lighthouse",
        "capability": {"skills": [facts]},
        "trials": trials,
        "budget": {"steps": 24, "rungs": 2},
        "searcher": "random",
        "scheduler": "none",
        "parameters": {"lr": {"type": "log-float", "low": 1e-4, "high": 1e-3}},
        "fixed": {"rank": 4, "batch_size": 4, "warmup": 2},
        "confirm": {"candidates": 0},
        "workers": {"groups": 1, "slots": 2},
    }
    return yaml.safe_dump(space | changed, sort_keys=False)


def start(
    *words: str,
    report: bool = False,
    cluster: SharedCluster | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> subprocess.Popen[str]:
    """Starts `python -m search.run` in a process group of its own.

    Args:
        words: Of its command line.
        report: Whether it makes a report.
        cluster: The Ray cluster that it joins; None: it starts one.
        environment: What its environment has beside that of the tests.
        folder: Its working directory.
    """
    assert may_start_ray(), "a test that starts a search needs the mark `alone`"
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    joined, ray = ([], RAY_ENVIRONMENT) if cluster is None else ([cluster.word], cluster.environment)
    return subprocess.Popen(
        [sys.executable, "-m", "search.run", *words, *joined, f"report={str(report).lower()}"],
        cwd=folder,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTHONPATH": path, **ray, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 600) -> tuple[int, str]:
    """Waits for the end; exit code and everything printed."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"the search did not end in {timeout} s; it printed:\n{output}") from None
    return process.returncode, output


def events_so_far(folder: Path) -> Sequence[Event]:
    """What a search has recorded so far: parsed again only after something was added."""
    try:
        return _events(folder, (folder / "events.jsonl").stat().st_size)
    except FileNotFoundError:
        return ()


@lru_cache(maxsize=4)
def _events(folder: Path, size: int) -> Sequence[Event]:
    return read_events(folder)


def count(events: Sequence[Event], kind: type[RungReached] | type[TrialFinished]) -> int:
    """Number of events of a kind."""
    return sum(isinstance(event, kind) for event in events)


def assert_every_trial_finished_once(events: Sequence[Event], trials: int) -> None:
    """Each trial, so many in the search phase, has one end, and its rungs are 0, 1, 2 ... each once."""
    ends = Counter(event.trial for event in events if isinstance(event, TrialFinished))
    proposed = [event for event in events if isinstance(event, TrialProposed)]
    assert ends == Counter(event.trial for event in proposed)
    assert sum(event.repeats is None for event in proposed) == trials
    rungs: dict[int, list[int]] = {}
    for event in events:
        if isinstance(event, RungReached):
            rungs.setdefault(event.trial, []).append(event.rung)
    assert all(seen == list(range(len(seen))) for seen in rungs.values()), rungs


def assert_mlflow_holds(uri: str, state: SearchState) -> None:
    """One run per trial, one for the base and one for the search, each as the record has it, none running."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=1000)
    by_trial = {run.data.tags["tightrope.trial"]: run for run in runs if "tightrope.trial" in run.data.tags}
    shown = sorted(run.info.run_name for run in runs)
    assert len(runs) == len(state.trials) + 2, f"one for each trial, the base and the search: {shown}"
    assert sorted(map(int, by_trial)) == sorted(state.trials)
    expected = {"completed": "FINISHED", "stopped": "FINISHED"}
    for number, run in by_trial.items():
        trial = state.trials[int(number)]
        assert run.info.status == expected.get(trial.status, "FAILED")
        if trial.last is not None:
            assert run.data.metrics["train_loss"] == pytest.approx(trial.last.metrics["train_loss"])
