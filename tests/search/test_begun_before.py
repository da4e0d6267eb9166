"""A search that was begun, and interrupted, by the code before trainables had a specification goes on.

`tests/fixtures/begun_before` is what that code (commit fcac45d) left: one trial of four finished, another
trained to its second rung of three.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from analysis.summary import summarise
from search.conductor import Conductor
from search.config.load import load_config
from search.errors import SpaceChangedError
from search.plan import make_plan
from search.record import Event, SearchState, SessionStarted, read_events
from search.record.explained import explained
from search.resume import open_record
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from tests.one_process import run_here
from tests.searches import assert_every_trial_finished_once
from trainables.messages import TrainRequest

FIXTURE = Path(__file__).parents[1] / "fixtures" / "begun_before"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    shutil.copytree(FIXTURE, tmp_path / FIXTURE.name)
    return tmp_path


def words(out: Path) -> list[str]:
    """The command that the record says resumes it."""
    event = next(event for event in read_events(out / FIXTURE.name) if isinstance(event, SessionStarted))
    given = [word for word in shlex.split(event.command) if "=" in word and not word.startswith("report=")]
    return [*given, f"out={out}"]


def test_it_goes_on_where_it_was_interrupted_and_proposes_what_it_proposed(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "empty").mkdir()
    monkeypatch.chdir(out / "empty")
    recorded = open_record(load_config(words(out)).config)
    space = SearchSpace(recorded.config.parameters, recorded.config.fixed)
    searcher, scheduler = make_searcher(recorded.config, space), make_scheduler(recorded.config)
    more: list[Event] = []
    conductor = Conductor(recorded.config, space, searcher, scheduler, more.append, list(recorded.events))
    assert conductor.next_trial() == 1
    request = conductor.request(1)
    assert isinstance(request, TrainRequest)
    assert (request.from_step, request.to_step, request.load_from) == (3, 9, "trials/0001/rung-1")
    assert more == []
    given = [word for word in words(out) if not word.startswith("out=")]
    # There was no prior then.
    anew = make_plan(load_config([*given, "prior=none"]).config).first
    before = [trial.proposed.sampled for trial in recorded.state.trials.values()]
    assert [trial.sampled for trial in anew][: len(before)] == before


def test_its_trainable_is_explained_and_its_numbers_are_read(out: Path) -> None:
    state = SearchState.from_events(read_events(out / FIXTURE.name))
    assert state.started is not None
    assert state.started.trainable is None
    known = explained(state.started)
    assert (known.subject, known.artifact) == ("embedded", "adapter")
    assert {metric.name: metric.relative for metric in known.metrics if metric.relative} == {
        "capability": "retention"
    }
    summary = summarise(state, out / FIXTURE.name)
    assert (summary["search"]["model"], summary["search"]["task"]) == ("embedded", "lighthouse")


def test_another_configuration_is_still_refused(out: Path) -> None:
    config = load_config([*words(out), "capability.kl_prompts=3", "task.max_length=32"]).config
    with pytest.raises(SpaceChangedError, match=r"(?s)capability\.kl_prompts.*task\.max_length"):
        open_record(config)


@pytest.mark.integration
def test_it_is_resumed_to_its_end(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "empty").mkdir()
    monkeypatch.chdir(out / "empty")
    before = (out / FIXTURE.name / "events.jsonl").read_text()
    run = run_here(*words(out))
    assert_every_trial_finished_once(read_events(run.folder), 4)
    assert (run.folder / "events.jsonl").read_text().startswith(before)
    assert [rung.step for rung in run.state.trials[1].rungs] == [1, 3, 9]
    assert run.ended.reason == "finished"
