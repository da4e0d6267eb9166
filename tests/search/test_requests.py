"""Requests of users are carried out once each, whenever they come and whenever the driver is killed."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import SearchConfig
from search.errors import TightropeError
from search.inbox import Inbox
from search.record import (
    Event,
    RecordWriter,
    RequestAnswered,
    RungReached,
    SearchState,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.events import Params
from search.requests import FOLDER, Request, cloned_point, remove, send, waiting
from search.searchers import make_searcher
from search.searchers.base import TrialOutcome
from search.space import SearchSpace
from tests.search.conducting import begun, configure, train
from tightrope.control import main
from trainables.messages import Reply

SEARCHES: dict[str, dict[str, Any]] = {
    "listed": {
        "searcher": "random",
        "trials": 6,
        "points": [{"lr": 1e-4, "rank": 4}, {"lr": 1e-3, "rank": 8}],
    },
    "confirmed": {"searcher": "tpe", "trials": 6, "confirm": {"candidates": 1, "seeds": 2}},
    "promotion": {"searcher": "random", "trials": 8, "scheduler": {"name": "moasha", "variant": "promotion"}},
}
_CHANGES: list[Params] = [{}, {"lr": 2e-4}]
Plan = list[tuple[int, Request]]
"""Requests, each with the length of the record at which it comes."""


def drive(config: SearchConfig, record: list[Event], folder: Path, plan: Plan) -> None:
    """A session that trains two trials side by side to the end; requests that are not answered come again."""
    conductor = begun(config, record)
    plan = [(at, request) for at, request in plan if request.id not in conductor.state.answered]

    def append(event: Event) -> None:
        record.append(event)
        conductor.state.apply(event)

    number = len(conductor.state.sessions)
    append(SessionStarted(session=number, trials=config.trials, command="c", host="h", pid=1))
    inbox, training, withdrawn = Inbox(conductor, folder, append), [], set[int]()
    while True:
        while plan and (plan[0][0] <= len(record) or conductor.finished):
            send(folder, plan.pop(0)[1])
        assert not inbox.answer_all(withdrawn.add)
        while len(training) < 2 and (begins := conductor.next_trial()) is not None:
            training.append(begins)
        if not training and not plan:
            break
        if not training:
            continue
        trial = training.pop(0)
        given_up = trial in withdrawn and conductor.state.trials[trial].finished is not None
        reply = Reply("withdrawn") if given_up else train(conductor.request(trial))
        if conductor.report(trial, reply):
            training.append(trial)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    verbs = st.sampled_from(["stop", "pause", "resume", "clone"])
    drawn = draw(st.lists(st.tuples(st.integers(4, 40), verbs, st.integers(0, 6)), min_size=1, max_size=6))
    return [
        (at, Request(id=f"{index:03d}", verb=verb, trial=trial, changes=_CHANGES[verb == "clone"]))
        for index, (at, verb, trial) in enumerate(sorted(drawn))
    ]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(SEARCHES)), plans(), st.data())
def test_each_request_is_answered_and_carried_out_once(name: str, plan: Plan, data: st.DataObject) -> None:
    config = configure(**SEARCHES[name])
    record: list[Event] = []
    with tempfile.TemporaryDirectory() as folder:
        drive(config, record, Path(folder), plan)
        for _ in range(2):
            answers = [i for i, event in enumerate(record) if isinstance(event, RequestAnswered)]
            # A kill just before an answer: what was asked for may be done, and is not to be done again.
            del record[data.draw(st.sampled_from(answers) | st.integers(4, len(record))) :]
            drive(config, record, Path(folder), plan)
        assert not list(Path(folder).glob(f"{FOLDER}/*"))
    _check(record, [request.id for _, request in plan])


def _check(record: list[Event], asked: list[str]) -> None:
    state = SearchState.from_events(record)
    answers = [event for event in record if isinstance(event, RequestAnswered)]
    assert Counter(answer.id for answer in answers) == Counter(asked)
    ends = Counter(event.trial for event in record if isinstance(event, TrialFinished))
    assert set(ends.values()) <= {1}
    assert state.unfinished.keys() == state.held, "only what a user has paused waits at the end"
    for answer in answers:
        made = [trial for trial in state.trials.values() if trial.proposed.request == answer.id]
        assert len(made) == (answer.verb == "clone" and answer.accepted)
        if answer.verb == "stop" and answer.accepted:
            assert answer.trial is not None
            assert state.trials[answer.trial].status == "cancelled"
    for trial in state.trials.values():
        if trial.status == "cancelled":
            at = next(i for i, e in enumerate(record) if e is trial.finished)
            assert not [e for e in record[at:] if isinstance(e, RungReached) and e.trial == trial.number]
    proposed = [event for event in record if isinstance(event, TrialProposed) and event.repeats is None]
    searched = [event for event in proposed if event.origin != "clone"]
    config = state.started.config if state.started else {}
    assert len(searched) == config["trials"], "clones come on top"
    points = [event.sampled for event in searched if event.origin == "listed"]
    assert points == config["points"]


def test_a_paused_trial_gives_its_place_away_and_goes_on_from_its_rung(tmp_path: Path) -> None:
    config = configure("random", trials=2, scheduler={"name": "none"})
    record: list[Event] = []
    conductor = begun(config, record)

    def append(event: Event) -> None:
        record.append(event)
        conductor.state.apply(event)

    append(SessionStarted(session=0, trials=2, command="c", host="h", pid=1))
    inbox = Inbox(conductor, tmp_path, append)

    def ask(verb: Any, trial: int) -> RequestAnswered:
        send(tmp_path, Request(verb=verb, trial=trial))
        inbox.answer_all()
        answer = record[-1]
        assert isinstance(answer, RequestAnswered)
        return answer

    first = conductor.next_trial()
    assert first == 0
    assert not ask("pause", 0).at_once, "it is in training"
    assert not conductor.report(0, train(conductor.request(0))), "its place is free"
    assert conductor.state.held == {0}
    assert not ask("pause", 0).accepted
    assert conductor.next_trial() == 1
    while conductor.report(1, train(conductor.request(1))):
        pass
    assert conductor.next_trial() is None
    assert conductor.finished, "a search ends with what is paused"
    assert ask("resume", 0).accepted
    assert not conductor.finished
    assert conductor.next_trial() == 0
    assert conductor.request(0).from_step == conductor.rungs(0)[0]
    assert conductor.report(0, train(conductor.request(0)))
    assert not ask("pause", 0).accepted, "it ends at the rung that it is trained to"


def test_a_resumption_that_a_kill_cut_off_before_its_answer_is_accepted(tmp_path: Path) -> None:
    config = configure("random", trials=2, scheduler={"name": "moasha", "variant": "promotion"})
    record: list[Event] = []
    conductor = begun(config, record)
    record.append(SessionStarted(session=0, trials=2, command="c", host="h", pid=1))
    while not conductor.state.paused and (number := conductor.next_trial()) is not None:
        conductor.report(number, train(conductor.request(number)))
    (number,) = conductor.state.paused
    send(tmp_path, Request(verb="resume", trial=number))
    conductor.resume(number, "resumed by hand")
    again = begun(config, record)
    Inbox(again, tmp_path, record.append).answer_all()
    answer = record[-1]
    assert isinstance(answer, RequestAnswered)
    assert answer.accepted
    assert again.next_trial() == number
    assert again.next_trial() != number, "once"


def test_a_request_about_a_trial_is_work_for_a_search_that_has_ended(tmp_path: Path) -> None:
    inbox = Inbox(begun(configure("random"), []), tmp_path, lambda event: None)
    assert not inbox.has_work
    send(tmp_path, Request(verb="stop", session=0))
    assert not inbox.has_work, "its session is over"
    send(tmp_path, Request(verb="stop", trial=0))
    assert inbox.has_work


def test_a_number_of_any_length_is_that_of_a_trial_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record: list[Event] = []
    begun(configure("random"), record)
    with RecordWriter(tmp_path) as writer:
        for event in record:
            writer.append(event)
    assert main(["stop", str(tmp_path), "9" * 5000]) == 2
    assert "is not one of its 0 trials" in capsys.readouterr().err


def test_a_stop_of_another_session_does_not_end_this_one(tmp_path: Path) -> None:
    record: list[Event] = []
    conductor = begun(configure("random"), record)

    def append(event: Event) -> None:
        record.append(event)
        conductor.state.apply(event)

    for number in range(2):
        append(SessionStarted(session=number, trials=2, command="c", host="h", pid=1))
    inbox = Inbox(conductor, tmp_path, append)
    send(tmp_path, Request(verb="stop", session=0))
    assert not inbox.answer_all()
    send(tmp_path, Request(verb="stop", session=1))
    assert inbox.answer_all(starting=True)
    assert [event.accepted for event in record if isinstance(event, RequestAnswered)] == [False, True]


@pytest.mark.parametrize("searcher", ["tpe", "nsga2"])
def test_a_cancelled_trial_teaches_nothing_but_where_it_was(searcher: str) -> None:
    """The next proposals are those of a searcher for which it still runs."""
    config = configure(searcher).model_copy(update={"points": ()})
    space = SearchSpace(config.parameters, config.fixed)
    options = config.searcher.model_copy(update={"startup": 2})
    proposals = []
    for cancelled in (False, True):
        made = make_searcher(config.model_copy(update={"searcher": options}), space)
        for number in range(4):
            proposal = made.propose(number)
            assert proposal is not None
            if number < 3:
                made.observe(TrialOutcome(number, "completed", ((3.0 - number, 0.9),)))
        if cancelled:
            made.observe(TrialOutcome(3, "cancelled", ((0.1, 0.1),)))
        proposals.append(made.propose(4))
    assert proposals[0] == proposals[1]


def test_a_clone_lies_in_the_space() -> None:
    parameters = {
        "rank": {"type": "categorical", "choices": (4, 8)},
        "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2},
        "dropout": {"type": "float", "low": 0.0, "high": 0.2, "when": "rank >= 8"},
    }
    config = configure("random", parameters=parameters)
    space = SearchSpace(config.parameters, config.fixed)
    wide, narrow = {"rank": 8, "lr": 1e-3, "dropout": 0.1}, {"rank": 4, "lr": 1e-3}
    assert cloned_point(space, wide, {"lr": 1e-4}) == wide | {"lr": 1e-4}
    assert cloned_point(space, wide, {"rank": 4}) == narrow, "what has no effect any more is left out"
    assert cloned_point(space, narrow, {"rank": 8, "dropout": 0.1}) == wide
    for changes in ({"lr": 1.0}, {"rank": 5}, {"rank": 8}, {"dropout": 0.1}, {"alpha": 8}, {"lr": "high"}):
        with pytest.raises(TightropeError):
            cloned_point(space, narrow, changes)


def test_what_is_no_request_is_left_alone(tmp_path: Path) -> None:
    kept = Request(verb="stop", trial=1)
    send(tmp_path, kept)
    folder = tmp_path / FOLDER
    (folder / "broken.json").write_text('{"verb": "stop"')
    (folder / "renamed.json").write_text(Request(verb="stop", trial=1).model_dump_json())
    (folder / f".{kept.id}.json.0123abcd").write_text("{}")
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    assert waiting(tmp_path) == [kept]
    remove(tmp_path, kept.id)
    assert waiting(tmp_path) == []
