"""Whole searches in this process: one worker group trains one trial after another, without Ray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from search.baselines import baseline_event, missing_baselines
from search.conductor import Conductor
from search.config.load import load_config
from search.config.schema import SearchConfig
from search.groups.settings import group_settings
from search.judging.conclusion import conclusion
from search.record import (
    Event,
    RecordWriter,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    SlotsChosen,
)
from search.record.explained import explanation
from search.resume import open_record
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from tests.trainables.conforming import baseline, serving, train
from trainables.serving.server import Server


@dataclass(frozen=True)
class Run:
    """A search that has ended.

    Attributes:
        folder: Its own, with the record.
        before: What was recorded before this session.
    """

    folder: Path
    state: SearchState
    before: int

    @property
    def ended(self) -> SearchEnded:
        assert self.state.ended is not None
        return self.state.ended


def run_here(*words: str) -> Run:
    """Begins or resumes the search of a command line, and runs it to its end.

    The record is that of `search.run`, but for what says where and with which versions it ran.
    """
    recorded = open_record(load_config(words).config)
    config, folder = recorded.config, recorded.folder
    space = SearchSpace(config.parameters, config.fixed)
    searcher, scheduler = make_searcher(config, space), make_scheduler(config)
    with RecordWriter(folder) as record:

        def write(event: Event) -> None:
            record.append(event)

        conductor = Conductor(config, space, searcher, scheduler, write, recorded.events)

        def append(event: Event) -> None:
            write(event)
            conductor.state.apply(event)

        _begin(config, conductor.state, append)
        _train(config, conductor, serving(group_settings(config, folder, cpus=1)), append)
        append(conclusion(conductor.state))
    return Run(folder, conductor.state, len(recorded.events))


def _begin(config: SearchConfig, state: SearchState, append: Callable[[Event], None]) -> None:
    dumped = config.model_dump(mode="json")
    if state.started is None:
        explained = explanation(config.trainable, config.options)
        append(SearchStarted(search_id="s", config=dumped, fingerprints={}, versions={}, trainable=explained))
    append(
        SessionStarted(
            session=len(state.sessions),
            trials=config.trials,
            command="",
            host="",
            pid=1,
            confirm=config.confirm.model_dump(),
            hypotheses=dumped["hypotheses"],
        )
    )


def _train(
    config: SearchConfig, conductor: Conductor, server: Server, append: Callable[[Event], None]
) -> None:
    """Measures the baselines, and trains each trial to the last of its rungs before the next begins."""
    state, facts = conductor.state, server.facts(0.0)
    append(SlotsChosen(groups=1, slots=1, reason=facts.packing, attention=facts.attention))
    for name in missing_baselines(config, state):
        append(baseline_event(config, name, baseline(server, name), facts, state))
    while not conductor.finished and (number := conductor.next_trial()) is not None:
        request = conductor.request(number)
        while conductor.report(number, train(server, request)):
            request = conductor.request(number)
