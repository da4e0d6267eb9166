"""The record survives torn lines and refuses a second writer."""

from __future__ import annotations

import errno
import math
import os
import signal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import RecordError
from search.record import (
    BaselineMeasured,
    Failed,
    RecordReader,
    RecordWriter,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SlotsChosen,
    TrialFinished,
    parse_event,
    read_events,
)
from search.record.files import EVENTS
from tests.disks import synced
from tests.records import make_config, opening_events
from trainables.interval import Interval
from trainables.serving.checkpoints import write_whole_file

values = st.floats(allow_nan=True, allow_infinity=True)


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@given(st.dictionaries(st.text(min_size=1), values), values, values)
def test_an_event_comes_back_as_it_was_written(metrics: dict[str, float], low: float, high: float) -> None:
    event = RungReached(
        trial=3, rung=1, step=7, metrics=metrics, intervals={"a": Interval(low=low, high=high, n=2)},
        curve=[(1, low)], train_seconds=0.5, eval_seconds=0.1,
    )  # fmt: skip
    back = parse_event(event.model_dump_json())
    assert isinstance(back, RungReached)
    assert back.metrics.keys() == metrics.keys()
    assert all(same(back.metrics[key], value) for key, value in metrics.items())
    assert same(back.intervals["a"].low, low)
    assert same(back.curve[0][1], low)


def test_the_names_of_a_new_record_and_of_new_folders_outlast_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = synced(monkeypatch)
    folder = tmp_path / "runs" / "demo"
    with RecordWriter(folder):
        assert set(paths) == {tmp_path, tmp_path / "runs", folder}
    paths.clear()
    write_whole_file(folder / "trials" / "0000" / "items", lambda path: path.write_text("items"))
    assert {path for path in paths if path.is_dir()} == {
        folder,
        folder / "trials",
        folder / "trials" / "0000",
    }


def test_a_rung_of_an_older_record_reads_as_trained_alone() -> None:
    line = '{"event": "rung_reached", "trial": 0, "rung": 0, "step": 9, "metrics": {}, '
    event = parse_event(line + '"train_seconds": 1.5, "eval_seconds": 0.5}')
    assert isinstance(event, RungReached)
    assert (event.tokens, event.padding, event.pack) == (0, 0.0, 1.0)
    assert (event.eval_parts, event.items_file) == ({}, None)
    base = parse_event('{"event": "baseline_measured", "name": "base", "metrics": {}, "seconds": 1.5}')
    assert isinstance(base, BaselineMeasured)
    assert (base.eval_parts, base.items_file) == ({}, None)


def test_the_slots_of_the_last_session_are_kept() -> None:
    chosen = [SlotsChosen(groups=2, slots=slots, reason=f"{slots} train fastest") for slots in (4, 8)]
    state = SearchState.from_events([*opening_events(), *chosen])
    assert state.slots == chosen[-1]
    assert parse_event(chosen[0].model_dump_json()) == chosen[0]


def failure(number: int) -> Failed:
    return Failed(trial=None, failure_class="test", message=f"event {number} \u2028 with odd characters\n")


@given(st.integers(0, 400))
def test_any_torn_end_is_cut_and_the_rest_kept(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("record")
    events = [failure(number) for number in range(3)]
    with RecordWriter(folder) as writer:
        for event in events:
            writer.append(event)
    path = folder / EVENTS
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    whole = path.read_bytes().count(b"\n")
    assert read_events(folder) == events[:whole]
    with RecordWriter(folder) as writer:
        writer.append(failure(9))
    assert [event.message for event in read_events(folder)] == [  # type: ignore[union-attr]
        failure(number).message for number in [*range(whole), 9]
    ]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with RecordWriter(tmp_path), pytest.raises(RecordError, match="Another process"):
        RecordWriter(tmp_path)
    RecordWriter(tmp_path).close()


def test_a_reader_sees_what_is_appended_later(tmp_path: Path) -> None:
    reader = RecordReader(tmp_path)
    assert list(reader.read_new()) == []
    with RecordWriter(tmp_path) as writer:
        for number in range(3):
            writer.append(failure(number))
            assert [event.message for event in reader.read_new()] == [failure(number).message]  # type: ignore[union-attr]
    assert list(reader.read_new()) == []


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_text('{"event":"failed","trial":null}\n')
    with pytest.raises(RecordError, match=r"events\.jsonl:1 "):
        read_events(tmp_path)


def test_a_full_disk_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    real = os.pwrite
    refusals = iter([True, True])

    def refusing(fd: int, data: bytes, offset: int) -> int:
        if next(refusals, False):
            real(fd, data[:5], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", refusing)
    with RecordWriter(tmp_path, on_wait=messages.append, retry_seconds=0.01) as writer:
        writer.append(failure(0))
        writer.append(failure(1))
    assert len(messages) == 1
    assert "No space left" in messages[0]
    assert len(read_events(tmp_path)) == 2


def damaged(folder: Path, *lines: str) -> Path:
    (folder / EVENTS).write_text("".join(line + "\n" for line in lines))
    return folder


OPENING = [event.model_dump_json() for event in opening_events()]
FINISHED = TrialFinished(trial=7, status="completed", reason="").model_dump_json()


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ((*OPENING, FINISHED), "events.jsonl:4 names trial 7"),
        ((OPENING[0], FINISHED, *OPENING[1:]), "events.jsonl:2 names trial 7"),
        (('{"event": "search_started", "search_id": "x", "config": {}, "fingerprints": {}, "versions": {}}',),
         "events.jsonl:1 is not an event of this version: config.name"),
        ((OPENING[0].replace('"direction":"max"', '"direction":"up"'),), "config.objectives.1.direction"),
        ((OPENING[0], "{"), "events.jsonl:2 is not an event of this version: it is not JSON"),
    ],
)  # fmt: skip
def test_a_record_that_does_not_hold_together_is_named(
    tmp_path: Path, lines: tuple[str, ...], named: str
) -> None:
    with pytest.raises(RecordError) as caught:
        read_events(damaged(tmp_path, *lines))
    assert named in str(caught.value)


def test_a_state_refuses_an_event_of_an_unknown_trial() -> None:
    with pytest.raises(RecordError, match="trial 7"):
        SearchState().apply(TrialFinished(trial=7, status="completed", reason=""))


def test_a_folder_in_the_place_of_the_record_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / EVENTS).mkdir()
    with pytest.raises(RecordError, match="Is a directory"):
        read_events(tmp_path)
    with pytest.raises(RecordError, match="Is a directory"):
        RecordWriter(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="Not a directory"):
        RecordWriter(tmp_path / "file" / "demo")


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
def test_an_interrupt_while_an_event_is_written_damages_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, torn: bool
) -> None:
    started = opening_events()[0].model_copy(update={"versions": {"a": "b" * 200}})
    ended = SearchEnded(reason="interrupted")
    write = os.pwrite
    # A shell has what it runs in the background ignore Ctrl-C, and Python keeps it so.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(fd: int, line: bytes, offset: int) -> int:
        write(fd, line[: len(line) // 2] if torn else line, offset)
        if torn:
            raise KeyboardInterrupt  # as a handler does that another thread's signal has set off
        os.kill(os.getpid(), signal.SIGINT)
        return len(line)

    with RecordWriter(tmp_path) as record:
        monkeypatch.setattr(os, "pwrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            record.append(started)
        monkeypatch.undo()
        if torn:
            record.append(started)
        record.append(ended)
    assert [type(event) for event in read_events(tmp_path)] == [SearchStarted, SearchEnded]


def test_baselines_come_in_the_order_of_the_configuration() -> None:
    started, session, base = opening_events(make_config(baselines=["base", "clean", "single"]))
    others = [BaselineMeasured(name=name, metrics={}, seconds=1.0) for name in ("single", "clean")]
    state = SearchState.from_events([started, session, base, *others])
    assert list(state.baselines) == ["base", "clean", "single"]
